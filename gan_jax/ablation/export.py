"""The table of a sweep for papers and programs: CSV, Markdown, LaTeX; its curves as SVG."""

import csv
import io
import math

from gan_jax.ablation import charts, words
from gan_jax.ablation.charts import Curve
from gan_jax.ablation.results import Results, Row
from gan_jax.text import cell

_OF_LATEX = {
  **{character: f'\\{character}' for character in '&%$#_{}'},
  **{'\\': r'\textbackslash{}', '~': r'\textasciitilde{}', '^': r'\textasciicircum{}'},
  **{'−': '$-$', '–': '--', '∞': r'$\infty$', '±': r'$\pm$', 'γ': r'$\gamma$'},
}
_SALT = 'gan_jax'  # of the names in an SVG: the same results are the same file


def as_csv(found: Results) -> str:
  """The table with all digits, a row a variant; the same results are the same bytes."""
  file = io.StringIO()
  writer = csv.writer(file, lineterminator='\n')
  seeds = found.sweep['seeds']
  columns = [
    *('variant', 'is_baseline', 'score', 'end', 'higher_is_better'),
    *(f'seed_{seed}' for seed in seeds),
    *(*words.WITHOUT_NUMBER, 'mean', 'mean_low', 'mean_high', 'sd_over_seeds'),
    *('sampling_half_width', 'held_out_reals', 'pairs', 'difference', 'difference_low'),
    *('difference_high', 'p_better', 'p_better_low', 'p_better_high', 'effect', 'p', 'p_holm'),
    *('least_p', 'seeds_needed'),
  ]
  writer.writerow(columns)
  for row in found.rows:
    writer.writerow([_plain(cell(value)) for value in _values(row, found)])
  return file.getvalue()


def as_markdown(found: Results) -> str:
  """The table as words show it."""
  escaped = lambda text: text.replace('\\', '\\\\').replace('|', '\\|').replace('\n', ' ')
  lines = [f'| {" | ".join(words.HEADINGS)} |', f'|{"---|" * len(words.HEADINGS)}']
  for row in found.rows:
    lines.append(f'| {" | ".join(map(escaped, words.cells(row, found)))} |')
  return '\n'.join([*lines, '', words.answer(found), ''])


def as_latex(found: Results) -> str:
  """The table for a paper, with booktabs; notes as a caption's last words."""
  kept = [place for place, heading in enumerate(words.HEADINGS) if heading not in ('seeds', 'note')]
  line = lambda texts: ' & '.join(_latex(texts[place]) for place in kept) + r' \\'
  rows = [line(words.cells(row, found)) for row in found.rows]
  return '\n'.join(
    [
      r'\begin{tabular}{' + 'l' * len(kept) + '}',
      r'\toprule',
      line(list(words.HEADINGS)),
      r'\midrule',
      *rows,
      r'\bottomrule',
      r'\end{tabular}',
      f'% {" ".join(words.answer(found).split())}',
      '',
    ]
  )


def as_svg(curves: list[Curve], score: str) -> str:
  """Learning curves: mean over seeds, and from the lowest to the highest."""
  import matplotlib as mpl  # takes a second to import
  from matplotlib.figure import Figure

  with mpl.rc_context({'svg.hashsalt': _SALT, 'svg.fonttype': 'none'}):
    figure = Figure(figsize=(6.4, 4), layout='constrained')
    axes = figure.add_subplot()
    for place, curve in enumerate(curves):
      rows = charts.mean_curve(curve)
      if len(rows):
        images, _, centre, low, high = rows.T
        color = charts.colour(place)
        axes.plot(images, centre, '.-', color=color, label=_plain_of_matplotlib(curve.name))
        axes.fill_between(images, low, high, color=color, alpha=0.15, linewidth=0)
    axes.set(xlabel=charts.AXES['images'], ylabel=score)
    axes.grid(alpha=0.3)
    if axes.lines:
      axes.legend(fontsize=8)
    file = io.StringIO()
    figure.savefig(file, format='svg', metadata={'Date': None})
  return file.getvalue()


def _values(row: Row, found: Results) -> list[object]:
  compared = row.comparison
  values: list[object] = [
    *(row.variant, row.variant == found.sweep['baseline'], found.sweep['score']),
    *(found.sweep['end'], found.higher_is_better),
    *(run.value for run in row.runs),
    *(sum(run.state == state for run in row.runs) for state in words.WITHOUT_NUMBER),
    *(*row.mean, row.spread, row.sampling, row.floor),
  ]
  if compared is None:
    return values + [None] * 13
  return [
    *values,
    *(compared.pairs, *compared.difference, *compared.improvement, compared.effect),
    *(compared.p, compared.p_holm, compared.least_p, compared.seeds_needed),
  ]


def _plain(value: object) -> object:
  if isinstance(value, float):
    return '' if math.isnan(value) else repr(float(value))
  return '' if value is None else value


def _latex(text: str) -> str:
  return ''.join(_OF_LATEX.get(character, character) for character in ' '.join(text.split()))


def _plain_of_matplotlib(text: str) -> str:
  """A name that matplotlib takes for no formula and no private label."""
  return ('\u200b' if text.startswith('_') else '') + text.replace('$', r'\$')
