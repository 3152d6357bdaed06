"""The runs that a sweep asks for, each checked before any begins."""

import dataclasses
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from gan_jax import build
from gan_jax.ablation.root import key_of
from gan_jax.ablation.sweep import Sweep
from gan_jax.errors import UserError
from gan_jax.workdir import config_file, record


class PlannedRun(NamedTuple):
  """A run that a sweep asks for.

  Attributes:
    variant: its name.
    seed: of the run.
    key: of its config, that its workdir is named by.
    config: all of it.
  """

  variant: str
  seed: int
  key: str
  config: ConfigDict


@dataclasses.dataclass(frozen=True)
class Plan:
  """A sweep with all its runs.

  Attributes:
    name: of the sweep, its file's.
    sweep: what was asked for.
    runs: one for each variant and seed, seed by seed, so that a sweep that is cut short has
      compared all variants by fewer seeds, rather than fewer variants.
  """

  name: str
  sweep: Sweep
  runs: tuple[PlannedRun, ...]

  @property
  def distinct(self) -> dict[str, PlannedRun]:
    """The runs by key: variants that come to the same config are one run."""
    found: dict[str, PlannedRun] = {}
    for run in self.runs:
      found.setdefault(run.key, run)
    return found

  def changes(self, variant: str) -> dict[str, tuple[Any, Any]]:
    """What a variant's config has other than the base: by key, the base's value and its own."""
    own = next(run.config for run in self.runs if run.variant == variant)
    base, own_values = (
      config_file.flat(record.as_json(config)) for config in (self.sweep.config_of_base(), own)
    )
    return {
      key: (base[key], value)
      for key, value in own_values.items()
      if key != 'seed' and value != base[key]
    }

  def as_json(self) -> dict[str, Any]:
    """What `Root.keep_sweep` keeps."""
    sweep = self.sweep
    unit, amount = sweep.budget.unit
    changes = lambda variant: {key: own for key, (_, own) in self.changes(variant).items()}
    return {
      'question': sweep.question,
      'baseline': sweep.baseline,
      'score': sweep.compared_by,
      'end': sweep.end,
      'budget': {unit: amount},
      'seeds': list(sweep.seeds),
      'variants': {
        name: {
          'changes': changes(name),
          'runs': {str(run.seed): run.key for run in self.runs if run.variant == name},
        }
        for name in sweep.variants
      },
      'base': record.as_json(sweep.config_of_base()),
    }


def plan(name: str, sweep: Sweep) -> Plan:
  """The runs of a sweep, all of them checked.

  Raises:
    UserError: for a sweep or a variant that cannot be had, by the variant's name.
  """
  sweep.check()
  runs = []
  for seed in sweep.seeds:
    for variant in sweep.variants:
      config = sweep.config(variant, seed)
      if seed == sweep.seeds[0]:
        _check(config, variant)
      runs.append(PlannedRun(variant, seed, key_of(config), config))
  return Plan(name, sweep, tuple(runs))


def _check(config: ConfigDict, variant: str) -> None:
  try:
    if not config.evaluate.images:
      raise UserError(
        'config.evaluate.images=0: variants are compared by scores; accepted: above 0'
      )
    build.check(config)
    parts = build.networks(config, channels=3, num_classes=2)
    build.train_step(config, parts)
  except UserError as error:
    raise UserError(f'variant {variant!r}: {error}') from None
