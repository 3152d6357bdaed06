"""The page of a sweep, or of a single run: one file that opens from a disk."""

import math
from typing import Any

from configs import default
from gan_jax import pages
from gan_jax.ablation import charts, pictures, provenance, results, status, words
from gan_jax.ablation.charts import Curve
from gan_jax.ablation.results import Results, Row, Run
from gan_jax.ablation.root import Root
from gan_jax.workdir import config_file, record

_DOTS_WIDTH, _DOTS_MARGIN = 130, 6  # pixels of the small drawing in the table
_OF_STEPS = ('d_loss', 'g_loss', 'd_grad_norm', 'g_grad_norm')
_LEGEND = (
  'Mean, interval and standard deviation are over training seeds; «± of sampling» is half the '
  "score's own 95 % interval, of the images that were drawn, the mean of the runs'. The difference "
  'is from the baseline, paired by seed; P(better) is the probability that a run is the better one '
  'of its pair; effect is the mean difference over its standard deviation (Hedges); p is of the '
  'exact permutation test over all exchanges within pairs, and after Holm over the table. A run '
  'that diverged counts as worse than any that did not.'
)


def of_sweep(found: Results, root: Root) -> str:
  """The page of a sweep."""
  sweep, runs = found.sweep, found.runs
  curves = _curves(found)
  unit, amount = next(iter(sweep['budget'].items()))
  better = 'higher' if found.higher_is_better else 'lower'
  same, differing, made = provenance.of(runs)
  headings, changes = _changes(sweep)
  return pages.render(
    'ablation.html',
    title=sweep['question'],
    answer=words.answer(found),
    facts=(
      f'{len(found.rows)} variants, seeds {", ".join(map(str, sweep["seeds"]))}, '
      f'{amount:,} {unit} each; {sweep["score"]} {words.END[sweep["end"]]}, {better} is better.'
    ),
    headings=('at a glance', *words.HEADINGS),
    rows=_rows(found),
    legend=_LEGEND,
    scores=list(curves),
    points=_points(curves),
    charts=charts.charts(curves),
    bokeh=_bokeh(),
    strips_of_seed=_strips(runs, sweep['seeds']),
    finals=_finals(runs, sweep['seeds'][0]),
    change_headings=headings,
    changes=changes,
    troubles=_troubles(runs, root),
    same=same,
    differing=differing,
    runs=made,
  )


def of_run(workdir: str) -> str:
  """The page of a single run.

  Raises:
    UserError: where the folder holds no run.
  """
  config = record.load_config(workdir)
  lines = record.read_metrics(workdir)
  content = record.as_json(config)
  run = _single(workdir, content, lines)
  curves = _curves_of([('run', [run])], _scores_of([run]))
  same, differing, made = provenance.of([run])
  base = config_file.flat(record.as_json(default.get_config()))
  shown = max((line['images'] for line in lines), default=0)
  scored = _scored(lines)
  return pages.render(
    'run.html',
    title=f'{config.model.name} on {config.dataset.name}',
    answer=f'{run.state.capitalize()}, {shown:,} of {config.train.images:,} images shown.'
    + (f' {scored[0][0]} {scored[0][1]} at the end.' if scored else ''),
    facts=f'{workdir}, seed {config.seed}',
    scored=scored,
    scores=list(curves) or ['none'],
    points=_points(curves),
    charts=charts.charts(curves or {'none': []}),
    bokeh=_bokeh(),
    strips=list(filter(None, [pictures.strip(workdir, 'this run')])),
    finals=_with_reals([pictures.last_grid(workdir, 'this run')], workdir),
    changes=[
      [key, str(base.get(key, '–')), str(value)]
      for key, value in config_file.flat(content).items()
      if key not in base or base[key] != value
    ],
    troubles=_troubles([run], None),
    same=same,
    differing=differing,
    runs=made,
  )


def _single(workdir: str, content: dict[str, Any], lines: list[dict[str, Any]]) -> Run:
  best = content['checkpoint']['best_score']
  sweep = {'score': best, 'end': 'end'}
  higher = results.score_is_better_when_higher(content, best)
  return results.of_workdir(workdir, sweep, 'run', content['seed'], '', higher, lines)


def _scored(lines: list[dict[str, Any]]) -> list[list[str]]:
  """The scores of the newest evaluation, with those of the untrained generator and of reals."""
  found = [line for line in lines if line['kind'] == 'scores' and line['step']]
  untrained = next((x for x in lines if x['kind'] == 'scores' and not x['step']), {})
  if not found:
    return []
  last = found[-1]
  rows = []
  for key in (key for key in last if f'{key}_low' in last):
    estimate = results.Estimate(last[key], last[f'{key}_low'], last[f'{key}_high'])
    beside = (
      words.number(line.get(name, math.nan))
      for line, name in ((untrained, key), (last, f'floor_{key}'))
    )
    rows.append([key, words.interval(estimate), *beside])
  return rows


def _rows(found: Results) -> list[list[dict[str, Any]]]:
  """The cells of the table: text, what it sorts by, and the drawing of a row's runs."""
  finite = [run.value for run in found.runs if math.isfinite(run.value)]
  ends = [end for row in found.rows for end in row.mean[1:] if math.isfinite(end)]
  low, high = (min([*finite, *ends]), max([*finite, *ends])) if finite else (0.0, 1.0)
  rows = []
  for row in found.rows:
    comparison = row.comparison
    numbers: list[float | None] = [None, None, None, row.mean.value, row.spread, row.sampling]
    numbers.append(row.floor)
    if comparison is None:
      numbers += [math.nan] * 5
    else:
      numbers += [comparison.difference.value, comparison.improvement.value, comparison.effect]
      numbers += [comparison.p, comparison.p_holm]
    numbers.append(None)
    drawn: dict[str, Any] = {
      'text': '',
      'value': _sortable(row.mean.value),
      'dots': _dots(row, low, high),
    }
    cells: list[dict[str, Any]] = [
      {'text': text, 'value': None if number is None else _sortable(number), 'dots': None}
      for text, number in zip(words.cells(row, found), numbers, strict=True)
    ]
    rows.append([drawn, *cells])
  return rows


def _sortable(value: float) -> str:
  return '' if math.isnan(value) else repr(float(value))


def _dots(row: Row, low: float, high: float) -> dict[str, Any]:
  """A row's runs as dots on the table's common scale, with the interval of their mean."""
  width = _DOTS_WIDTH - 2 * _DOTS_MARGIN
  at = lambda value: round(_DOTS_MARGIN + width * (value - low) / ((high - low) or 1.0), 1)
  lines = [{'zero': True, 'x1': 0, 'x2': _DOTS_WIDTH, 'y1': 11, 'y2': 11}]
  if math.isfinite(row.mean.low):
    ends = max(low, row.mean.low), min(high, row.mean.high)
    lines.append({'zero': False, 'x1': at(ends[0]), 'x2': at(ends[1]), 'y1': 11, 'y2': 11})
  if math.isfinite(row.mean.value):
    middle = at(row.mean.value)
    lines.append({'zero': False, 'x1': middle, 'x2': middle, 'y1': 4, 'y2': 18})
  return {
    'lines': lines,
    'places': [at(run.value) for run in row.runs if math.isfinite(run.value)],
  }


def _curves(found: Results) -> dict[str, list[Curve]]:
  """The curves of every score that runs have; the sweep's own first."""
  own = found.sweep['score']
  scores = [own, *(score for score in _scores_of(found.runs) if score != own)]
  return _curves_of([(row.variant, row.runs) for row in found.rows], scores)


def _scores_of(runs: list[Run]) -> list[str]:
  names: dict[str, None] = {}
  for run in runs:
    for line in run.lines:
      if line['kind'] == 'scores':
        names |= dict.fromkeys(key for key in line if f'{key}_low' in line)
  return list(names)


def _curves_of(variants: list[tuple[str, list[Run]]], scores: list[str]) -> dict[str, list[Curve]]:
  """Scores, and what the steps record of both players."""
  found = {
    score: [
      Curve(name, [(run.seed, results.curve_of(run.lines, score)) for run in runs])
      for name, runs in variants
    ]
    for score in scores
  }
  for metric in _OF_STEPS:
    curves = [
      Curve(name, [(run.seed, results.curve_of(run.lines, metric, 'train')) for run in runs])
      for name, runs in variants
    ]
    if any(points for curve in curves for _, points in curve.runs):
      found[metric] = curves
  return found


def _points(curves: dict[str, list[Curve]]) -> list[list[str]]:
  return [
    [curve.name, score, f'{images:,.0f}', *map(words.number, values)]
    for score, of in curves.items()
    for curve in of
    for images, _, *values in charts.mean_curve(curve).tolist()
    if score not in _OF_STEPS
  ]


def _strips(runs: list[Run], seeds: list[int]) -> list[tuple[int, list[pictures.Picture]]]:
  found = []
  for seed in seeds:
    of = [pictures.strip(run.workdir, run.variant) for run in runs if run.seed == seed]
    found.append((seed, list(filter(None, of))))
  return found


def _finals(runs: list[Run], seed: int) -> list[pictures.Picture]:
  of = [run for run in runs if run.seed == seed]
  grids = [pictures.last_grid(run.workdir, run.variant) for run in of]
  return _with_reals(grids, of[0].workdir) if of else []


def _with_reals(grids: list[pictures.Picture | None], workdir: str) -> list[pictures.Picture]:
  return [picture for picture in [*grids, pictures.reals(workdir)] if picture is not None]


def _changes(sweep: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
  """The keys that a variant changes, a column each."""
  variants = sweep['variants']
  keys = list(dict.fromkeys(key for about in variants.values() for key in about['changes']))
  base = config_file.flat(sweep['base'])
  shown = lambda value: ', '.join(map(str, value)) if isinstance(value, list) else str(value)
  rows = [['base', *(shown(base.get(key, '–')) for key in keys)]]
  for name, about in variants.items():
    rows.append(
      [name, *(shown(about['changes'][k]) if k in about['changes'] else '' for k in keys)]
    )
  return ['variant', *keys], rows


def _troubles(runs: list[Run], root: Root | None) -> list[list[str]]:
  rows = []
  for run in runs:
    name = f'{run.variant}, seed {run.seed}'
    for line in run.lines:
      if line['kind'] == 'non_finite':
        where = f'the {line.get("player", "run")} at {line["images"]:,} images'
        rows.append([name, 'diverged', where])
      elif line['kind'] == 'alarm':
        rows.append([name, 'alarm', f'{line["images"]:,} images: {line["text"]}'])
    for attempt in status.failures(root, run.key) if root is not None else []:
      if run.state != 'diverged':
        rows.append([name, f'failed ({attempt["code"]})', attempt['reason']])
  return rows


def _bokeh() -> Any:
  """Bokeh's script, whole, without what these charts do not use."""
  import markupsafe
  from bokeh.resources import Resources

  return markupsafe.Markup('\n'.join(Resources(mode='inline', components=['bokeh']).js_raw))
