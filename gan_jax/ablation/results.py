"""The results of a sweep, read from its folder alone: a number for each run, and the table."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gan_jax.ablation import statistics, status
from gan_jax.ablation.root import Root
from gan_jax.ablation.statistics import Comparison
from gan_jax.errors import UserError
from gan_jax.evaluation import keys
from gan_jax.features.network import TRAINED
from gan_jax.metrics.estimate import Estimate
from gan_jax.monitoring.clock import TRAINING
from gan_jax.workdir import record

Line = dict[str, Any]


class Run(NamedTuple):
  """One run of a sweep.

  Attributes:
    variant: its name.
    seed: of the run.
    key: of the run.
    workdir: its folder.
    state: finished, diverged, failed, or how far it is.
    value: its score, infinite and worst where it diverged, NaN where it has none yet.
    sampling: the score's own interval, of the images that were drawn; NaN where it has none.
    floor: the score of held-out real images; NaN where there is none.
    curve: images, seconds of training and score of each evaluation.
    lines: of its record.
  """

  variant: str
  seed: int
  key: str
  workdir: str
  state: str
  value: float
  sampling: Estimate
  floor: float
  curve: list[tuple[int, float, float]]
  lines: list[Line]


class Row(NamedTuple):
  """One variant of the table.

  Attributes:
    variant: its name.
    runs: of it, by seed.
    mean: over seeds, with Student's interval.
    spread: standard deviation over seeds.
    sampling: half width of the score's own interval, the mean of the runs'.
    floor: of held-out real images, the mean of the runs'.
    comparison: with the baseline; None for itself, and where no pair is finished.
  """

  variant: str
  runs: list[Run]
  mean: Estimate
  spread: float
  sampling: float
  floor: float
  comparison: Comparison | None


class Results(NamedTuple):
  """A sweep with its results.

  Attributes:
    name: of the sweep.
    sweep: as `Root.keep_sweep` has it.
    higher_is_better: which way its score is read.
    rows: a variant each, in the sweep's order.
  """

  name: str
  sweep: dict[str, Any]
  higher_is_better: bool
  rows: list[Row]

  @property
  def runs(self) -> list[Run]:
    """All runs."""
    return [run for row in self.rows for run in row.runs]


def read(root: Root, name: str, sweep: dict[str, Any]) -> Results:
  """Reads the results of a sweep.

  Args:
    root: its folder.
    name: of the sweep.
    sweep: as it was kept.

  Raises:
    UserError: for a sweep of another version, or a record that cannot be read.
  """
  try:
    higher = score_is_better_when_higher(sweep['base'], sweep['score'])
    runs = {
      variant: [
        _told(_run(root.workdir(key), sweep, variant, int(seed), key, higher), root)
        for seed, key in about['runs'].items()
      ]
      for variant, about in sweep['variants'].items()
    }
    baseline = runs[sweep['baseline']]
  except KeyError as error:
    raise UserError(f'{root.path}/sweeps/{name}.json: damaged: lacks {error}') from error
  pairs = {
    variant: _paired(own, baseline) for variant, own in runs.items() if variant != sweep['baseline']
  }
  compared = statistics.compare(
    {variant: pair for variant, pair in pairs.items() if len(pair[0])}, higher
  )
  rows = [_row(variant, own, compared.get(variant)) for variant, own in runs.items()]
  return Results(name, sweep, higher, rows)


def score_is_better_when_higher(base: Line, score: str) -> bool:
  """Which way a score is read.

  Args:
    base: a config as JSON, whose scores it is among.
    score: its name.
  """
  section, score = base['evaluate'], score.removesuffix(TRAINED)
  return bool(keys.ordering(section['metrics'], section['features'], section['resize'])[score])


def of_curve(curve: Sequence[tuple[int, float, float]]) -> float:
  """The area under a curve over the images from its first point to its last: a mean score."""
  images = np.array([point[0] for point in curve], float)
  scores = np.array([point[2] for point in curve], float)
  if len(curve) < 2:
    return float(scores[0]) if len(curve) else math.nan
  return float(np.trapezoid(scores, images) / (images[-1] - images[0]))


def _run(
  workdir: str, sweep: dict[str, Any], variant: str, seed: int, key: str, higher: bool
) -> Run:
  try:
    lines = record.read_metrics(workdir)
  except UserError:  # said by the attempts at the run
    lines = []
  return of_workdir(workdir, sweep, variant, seed, key, higher, lines)


def _told(run: Run, root: Root) -> Run:
  """A run that has not come to its end, and failed the last time."""
  failed = run.state == 'unfinished' and status.failures(root, run.key)
  return run._replace(state='failed') if failed else run


def of_workdir(
  workdir: str,
  sweep: dict[str, Any],
  variant: str,
  seed: int,
  key: str,
  higher: bool,
  lines: list[Line],
) -> Run:
  """What the record of a run says of it.

  Args:
    workdir: of the run.
    sweep: `score` and `end`, which decide its number.
    variant: its name.
    seed: of the run.
    key: of the run.
    higher: whether higher scores are better.
    lines: of the record.
  """
  score = sweep['score']
  scored = [line for line in lines if line['kind'] == 'scores' and score in line and line['step']]
  ends = {line['images'] for line in lines if line['kind'] == 'end'}
  diverged = any(line['kind'] == 'non_finite' for line in lines)
  finished = bool(ends & {line['images'] for line in scored})
  state = 'diverged' if diverged else 'finished' if finished else 'unfinished'
  value, sampling = math.nan, Estimate(math.nan, math.nan, math.nan)
  if diverged:
    value = -math.inf if higher else math.inf
  elif finished:
    value, sampling = _number(scored, score, sweep['end'], higher)
  return Run(
    variant,
    seed,
    key,
    workdir,
    state,
    value,
    sampling,
    scored[-1].get(f'floor_{score}', math.nan) if scored else math.nan,
    curve_of(lines, score),
    lines,
  )


def curve_of(lines: list[Line], name: str, kind: str = 'scores') -> list[tuple[int, float, float]]:
  """Images, seconds of training and value at each line that has the value."""
  images, seconds, total = [0], [0.0], 0.0
  for line in lines:
    if line['kind'] == 'train':
      total += sum(line.get(f'seconds_{part}', 0.0) for part in TRAINING)
      images.append(line['images'])
      seconds.append(total)
  return [
    (line['images'], float(np.interp(line['images'], images, seconds)), line[name])
    for line in lines
    if line['kind'] == kind and name in line and line['step']
  ]


def _number(scored: list[Line], score: str, end: str, higher: bool) -> tuple[float, Estimate]:
  """A run's number, with the interval of its images where it is a score of one evaluation."""
  unknown = Estimate(math.nan, math.nan, math.nan)
  if end == 'area':
    return of_curve([(line['images'], 0.0, line[score]) for line in scored]), unknown
  if end == 'best':
    halved = [line for line in scored if f'{score}_half1' in line]
    if not halved:
      return math.nan, unknown
    pick = max if higher else min
    return pick(halved, key=lambda line: line[f'{score}_half1'])[f'{score}_half2'], unknown
  last = scored[-1]
  if f'{score}_low' not in last:
    return last[score], unknown
  return last[score], Estimate(last[score], last[f'{score}_low'], last[f'{score}_high'])


def _paired(own: list[Run], base: list[Run]) -> tuple[np.ndarray, np.ndarray]:
  """The numbers of the seeds that both have come to an end with."""
  others = {run.seed: run.value for run in base if not math.isnan(run.value)}
  pairs = [
    (run.value, others[run.seed]) for run in own if run.seed in others and not math.isnan(run.value)
  ]
  values = np.array(pairs, float).reshape(-1, 2)
  return values[:, 0], values[:, 1]


def _row(variant: str, runs: list[Run], comparison: Comparison | None) -> Row:
  values = np.array([run.value for run in runs if not math.isnan(run.value)])
  finite = len(values) > 1 and bool(np.isfinite(values).all())
  halves = [(run.sampling.high - run.sampling.low) / 2 for run in runs]
  return Row(
    variant,
    runs,
    statistics.mean(values),
    float(np.std(values, ddof=1)) if finite else math.nan,
    _mean(halves),
    _mean([run.floor for run in runs]),
    comparison,
  )


def _mean(values: list[float]) -> float:
  known = [value for value in values if not math.isnan(value)]
  return float(np.mean(known)) if known else math.nan
