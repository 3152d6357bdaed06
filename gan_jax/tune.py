"""Proposes the weight γ of R1 and R2 from short runs under a stated budget, and shows why."""

import dataclasses
import functools
import math
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from gan_jax import build
from gan_jax.build.sections import names
from gan_jax.errors import NonFiniteError, UserError
from gan_jax.train import train
from gan_jax.tuning import halving, report
from gan_jax.tuning.report import Candidate, Found
from gan_jax.workdir import record

WITH_GAMMA = ('r1', 'r2', 'approximate_r1', 'approximate_r2')
# Three decades around a value, two candidates a decade.
_GRID = tuple(10 ** (k / 2) for k in range(-3, 4))

Train = Callable[[ConfigDict, str, bool], dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Search:
  """What is searched, and within what.

  Attributes:
    root: folder of the short runs and of the report.
    budget_images: real images shown by all runs together.
    gammas: values to be tried; empty: three decades around the config's own and the rule of thumb.
    learning_rates: factors to be tried.
    batch_sizes: to be tried; empty: the config's own.
    seeds: runs of each candidate, whose mean counts.
  """

  root: str
  budget_images: int
  gammas: tuple[float, ...] = ()
  learning_rates: tuple[float, ...] = (1.0,)
  batch_sizes: tuple[int, ...] = ()
  seeds: int = 1


def rule_of_thumb(config: ConfigDict) -> float:
  """γ = 0.0002 · H · W / batch, StyleGAN2-ADA's `auto` preset (arXiv:2006.06676, its code)."""
  height, width = build.image_size(config)
  return 0.0002 * height * width / config.train.batch_size


def candidates(config: ConfigDict, search: Search) -> list[Candidate]:
  """All combinations of the values to be tried, γ rising."""
  gammas = search.gammas
  if not gammas:
    own = config[_gammas_of(config)[0]].weight
    around = {float(f'{own * factor:.3g}') for factor in _GRID}
    rule = float(f'{rule_of_thumb(config):.3g}')
    gammas = tuple(sorted({*around, rule}))
  sizes = search.batch_sizes or (config.train.batch_size,)
  return [
    Candidate(gamma, rate, size)
    for size in sizes
    for rate in search.learning_rates
    for gamma in sorted(gammas)
  ]


def overrides(config: ConfigDict, candidate: Candidate) -> dict[str, float]:
  """The keys that a candidate changes; final values keep their ratio to the first ones."""
  having = _gammas_of(config)
  factor = candidate.gamma / config[having[0]].weight
  changed: dict[str, float] = {'train.batch_size': candidate.batch_size}
  for name in having:
    changed |= _scaled(config, name, 'weight', factor)
  for player in ('generator_optimizer', 'discriminator_optimizer'):
    changed |= _scaled(config, player, 'learning_rate', candidate.learning_rate)
  flat = config.copy_and_resolve_references()
  own = lambda key: functools.reduce(lambda section, part: section[part], key.split('.'), flat)
  return {key: value for key, value in changed.items() if own(key) != value}


def check(config: ConfigDict, search: Search) -> list[halving.Rung]:
  """The plan of a search; raises UserError for one that cannot be made."""
  build.check(config)
  if not _gammas_of(config):
    raise UserError(
      f'config.regularisers={tuple(config.regularisers)}: none has a γ to be found; accepted with '
      f'one of {", ".join(WITH_GAMMA)}, as in --config.regularisers=r1'
    )
  best = config.checkpoint.best_score
  if config.evaluate.images <= 0 or not best.startswith(('fd', 'kid', 'mmd')):
    raise UserError(
      f'config.checkpoint.best_score={best!r}, config.evaluate.images={config.evaluate.images}: '
      'candidates are compared by a distance; accepted: fd_, kid_ or mmd_ of features that the '
      'config evaluates'
    )
  if search.seeds < 1 or min(search.gammas, default=1.0) <= 0 or min(search.learning_rates) <= 0:
    raise UserError('--seeds, --gammas and --learning_rates: accepted: numbers above 0')
  tried = candidates(config, search)
  largest = max(candidate.batch_size for candidate in tried)
  rungs = halving.plan(len(tried), search.budget_images // search.seeds, largest)
  if not rungs[0].images:
    least = len(tried) * len(rungs) * largest * search.seeds
    raise UserError(
      f'--budget_images={search.budget_images}: is less than a step of each of {len(tried)} '
      f'candidates; accepted: {least:,} or more, and many times that for an answer'
    )
  return rungs


def tune(config: ConfigDict, search: Search, train: Train = train) -> Found:
  """Searches, and writes `report.json` and `scores.png` to the root.

  A search that was stopped goes on where it was: runs that have reached a rung are not repeated.

  Args:
    config: of the run that is to be made.
    search: what is tried.
    train: runs a config in a workdir.

  Raises:
    UserError: for a search that cannot be made.
  """
  rungs = check(config, search)
  lines: dict[tuple[Candidate, int], dict[str, float] | None] = {}

  def run(candidate: Candidate, images: int) -> float:
    scored = [
      _scores(config, search, candidate, images, seed, train) for seed in range(search.seeds)
    ]
    lines[candidate, images] = _mean(scored)
    line = lines[candidate, images]
    return math.inf if line is None else line[config.checkpoint.best_score]

  scores = halving.search(candidates(config, search), rungs, run)
  table = [
    (rung.images, {candidate: lines[candidate, rung.images] for candidate in each})
    for rung, each in zip(rungs, scores, strict=True)
  ]
  found = _conclude(config, search, scores, table)
  report.write(search.root, config.checkpoint.best_score, found, dataclasses.asdict(search))
  return found


def command(config_file: str, found: Found, given: Sequence[str] = ()) -> list[str]:
  """The words of the command that trains with what was found.

  Args:
    config_file: of the search.
    found: the end of the search.
    given: overrides that the search was started with, `--config.KEY=VALUE`.
  """
  changes = [f'--config.{key}={value:g}' for key, value in found.overrides.items()]
  keys = tuple(change.split('=')[0] + '=' for change in changes)
  kept = [each for each in given if not each.startswith(keys)]
  return ['launch.py', 'train', f'--config={config_file}', *kept, *changes]


def _scores(
  config: ConfigDict, search: Search, candidate: Candidate, images: int, seed: int, train: Train
) -> dict[str, float] | None:
  """Brings a run to so many images; its scores there, None where it came to nothing."""
  own = ConfigDict(config.to_dict())
  own.update_from_flattened_dict(overrides(config, candidate))
  own.seed = config.seed + seed
  own.train.images = images
  own.evaluate.images = 2**62  # at the end alone
  workdir = os.path.join(search.root, f'{candidate.name}_seed{own.seed}')
  step = -(-images // build.images_per_step(own))
  try:
    if not _lines(workdir, step):
      train(own, workdir, True)
  except NonFiniteError:
    return None
  line = _lines(workdir, step)
  return {k: v for k, v in line[-1].items() if isinstance(v, int | float)} if line else None


def _lines(workdir: str, step: int) -> list[dict[str, Any]]:
  return [line for line in record.read_metrics(workdir, 'scores') if line['step'] == step]


def _mean(scored: Sequence[dict[str, float] | None]) -> dict[str, float] | None:
  """The mean over seeds; nothing where one came to nothing."""
  good = [line for line in scored if line is not None]
  if len(good) < len(scored):
    return None
  return {key: float(np.mean([line[key] for line in good])) for key in good[0]}


def _conclude(
  config: ConfigDict,
  search: Search,
  scores: list[dict[Candidate, float]],
  table: list[tuple[int, dict[Candidate, dict[str, float] | None]]],
) -> Found:
  last, key = scores[-1], config.checkpoint.best_score
  best = min(last, key=lambda c: last[c])
  line = table[-1][1][best]
  if line is None:
    raise NonFiniteError(
      'every candidate of the last rung ended in values that are not finite; lower the learning '
      'rates, or try other values of --gammas'
    )
  high = line.get(f'{key}_high', line[key])
  others = ((c, table[-1][1][c]) for c in last if c != best)
  as_good = [c for c, o in others if o is not None and o.get(f'{key}_low', o[key]) <= high]
  tried = sorted({candidate.gamma for candidate in candidates(config, search)})
  at_border = len(tried) > 1 and best.gamma in (tried[0], tried[-1])
  return Found(best, as_good, at_border, overrides(config, best), table)


def _gammas_of(config: ConfigDict) -> list[str]:
  """The regularisers of a config that have a γ, in its order."""
  return [name for name in names(config.regularisers, 'regularisers') if name in WITH_GAMMA]


def _scaled(config: ConfigDict, section: str, key: str, factor: float) -> dict[str, float]:
  values = {f'{section}.{k}': config[section].get(k) for k in (key, f'{key}_final')}
  return {name: value * factor for name, value in values.items() if value}
