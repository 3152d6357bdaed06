"""What a sweep has shown, in words, and the cells of its table."""

import math

from gan_jax.ablation.results import Results, Row
from gan_jax.metrics.estimate import LEVEL, Estimate

_ALPHA = 1 - LEVEL
WITHOUT_NUMBER = (
  'diverged',
  'failed',
  'unfinished',
)  # states of runs without a number of their own
END = {
  'end': 'at the end',
  'best': 'of the best checkpoint, chosen on one half of the samples, scored on the other',
  'area': 'mean over the images shown (area under the curve)',
}


def answer(results: Results) -> str:
  """The answer to the sweep's question, in one sentence or two that its numbers support."""
  rows = {row.variant: row for row in results.rows}
  base = rows[results.sweep['baseline']]
  compared = [row for row in results.rows if row.comparison is not None]
  if not compared:
    return 'No answer yet: no variant has come to an end with the same seed as the baseline.'
  score, name = results.sweep['score'], results.sweep['baseline']
  told = [row for row in compared if row.comparison and row.comparison.p_holm <= _ALPHA]
  better = [row for row in told if _is_better(row, results)]
  worse = [row for row in told if row not in better]
  parts = []
  if better:
    parts.append(f'{_listed(better)} {"is" if len(better) == 1 else "are"} better than {name}')
  if worse:
    parts.append(f'{_listed(worse)} {"is" if len(worse) == 1 else "are"} worse than {name}')
  if parts:
    text = f'By {score}, {"; ".join(parts)} (Holm-corrected p at most {_ALPHA:.2g}).'
    rest = len(compared) - len(told)
    return text + (f' Of the other {rest} no difference is shown.' if rest else '')
  return f'No difference from {name} is shown by {score}. {_why_not(results, base)}'


def seeds_note(row: Row) -> str:
  """Why a row is undecided, and how many more seeds would decide it; '' where it is decided."""
  found = row.comparison
  if found is None or found.p_holm <= _ALPHA:
    return ''
  text = ''
  if found.least_p > _ALPHA:
    text = f'too few seeds: with {found.pairs} the test cannot go below p = {found.least_p:.3g}; '
  if any(run.state == 'diverged' for run in row.runs) or math.isnan(found.effect):
    return text.removesuffix('; ')
  if found.seeds_needed is None:
    return text + 'at such differences no number of seeds would decide'
  more = found.seeds_needed - found.pairs
  if more <= 0:
    return text + 'undecided'
  return text + f'about {more} more seed{"s" if more > 1 else ""} would decide at such differences'


def _why_not(results: Results, base: Row) -> str:
  compared = [row.comparison for row in results.rows if row.comparison is not None]
  fewest = min(found.pairs for found in compared)
  least = max(found.least_p for found in compared) * len(compared)
  text = ''
  if least > _ALPHA:
    seeds = 'One seed' if fewest == 1 else f'{fewest} seeds'
    text = (
      f'{seeds} cannot show one here: the smallest p that the test can give, corrected for '
      f'{len(compared)} comparisons, is {min(1.0, least):.2g}. '
    )
  finite = [row for row in results.rows if math.isfinite(row.mean.value)]
  if not finite:
    return text + 'Every variant has runs that diverged.'
  best = (max if results.higher_is_better else min)(finite, key=lambda row: row.mean.value)
  word = 'highest' if results.higher_is_better else 'lowest'
  text += f'The {word} mean is that of {best.variant}, {number(best.mean.value)}'
  text += f', beside {number(base.mean.value)} of the baseline.' if best is not base else '.'
  apart = [row for row in results.rows if _is_apart(row)]
  if apart:
    text += (
      f' Each by itself, and if differences are about normal, {_listed(apart)} '
      f'{"is" if len(apart) == 1 else "are"} apart from it.'
    )
  return text


def _is_apart(row: Row) -> bool:
  """Whether the interval of the difference leaves zero out."""
  found = row.comparison
  return found is not None and (found.difference.low > 0 or found.difference.high < 0)


def _is_better(row: Row, results: Results) -> bool:
  found = row.comparison
  assert found is not None
  if math.isfinite(found.difference.value):
    return (found.difference.value > 0) == results.higher_is_better
  return found.improvement.value > 0.5


def _listed(rows: list[Row]) -> str:
  parts = []
  for row in rows:
    found = row.comparison
    by = f' by {interval(found.difference)}' if found and math.isfinite(found.effect) else ''
    parts.append(f'{row.variant}{by}')
  return ', '.join(parts)


def number(value: float) -> str:
  """A number of the table; a dash where there is none."""
  if math.isnan(value):
    return '–'
  return ('∞' if value > 0 else '−∞') if math.isinf(value) else f'{value:.4g}'.replace('-', '−')


def interval(estimate: Estimate) -> str:
  """A value with its interval, where it has one."""
  if not math.isfinite(estimate.low) or not math.isfinite(estimate.high):
    return number(estimate.value)
  return f'{number(estimate.value)} [{number(estimate.low)}, {number(estimate.high)}]'


HEADINGS = (
  'variant',
  'seeds',
  'runs',
  'mean [95 %]',
  'sd over seeds',
  '± of sampling',
  'held-out reals',
  'difference [95 %]',
  'P(better) [95 %]',
  'effect',
  'p',
  'p (Holm)',
  'note',
)


def cells(row: Row, results: Results) -> list[str]:
  """A row as text, in the order of `HEADINGS`."""
  found = row.comparison
  of = {state: sum(run.state == state for run in row.runs) for state in WITHOUT_NUMBER}
  notes = [f'{count} of {len(row.runs)} {state}' for state, count in of.items() if count]
  if row.variant == results.sweep['baseline']:
    notes.append('baseline')
  notes += filter(None, [seeds_note(row)])
  compared = ['–'] * 5
  if found is not None:
    compared = [
      interval(found.difference),
      f'{found.improvement.value:.2f} [{found.improvement.low:.2f}, {found.improvement.high:.2f}]',
      number(found.effect),
      f'{found.p:.3g}',
      f'{found.p_holm:.3g}',
    ]
  return [
    row.variant,
    ', '.join(str(run.seed) for run in row.runs),
    ', '.join(run.state if run.state in WITHOUT_NUMBER else number(run.value) for run in row.runs),
    interval(row.mean),
    number(row.spread),
    number(row.sampling),
    number(row.floor),
    *compared,
    '; '.join(notes),
  ]
