"""What the user asks to be scored, beyond what a config says."""

from collections.abc import Sequence
from typing import NamedTuple

from gan_jax import registry
from gan_jax.errors import UserError, nearest
from gan_jax.features.network import Resize


class Options(NamedTuple):
  """What the user asks for beyond a run's config; None: as the config says, or the default.

  Attributes:
    metrics: modules of gan_jax/metrics, or `('all',)`: all that can be given.
    features: modules of gan_jax/features.
    num_samples: images scored; of folders: at most.
    num_reals: real images that they are compared with, at most.
    resize: how images are brought to a network's size.
    weights: file of a network's weights, by its name.
    repeats: sampling seeds.
    best: the score that orders checkpoints or folders.
    allow_different_n: put scores of different numbers of images into one table.
  """

  metrics: tuple[str, ...] | None = None
  features: tuple[str, ...] | None = None
  num_samples: int | None = None
  num_reals: int | None = None
  resize: Resize | None = None
  weights: dict[str, str] = {}  # noqa: RUF012 - never changed
  repeats: int = 1
  best: str | None = None
  allow_different_n: bool = False


def check(options: Options) -> None:
  """Raises UserError for values that no evaluation can have, before anything is opened."""
  for name in ('num_samples', 'num_reals', 'repeats'):
    value = getattr(options, name)
    if value is not None and value < 1:
      raise UserError(f'--{name}={value}: must be positive')
  if options.resize not in (None, 'antialias', 'legacy'):
    raise UserError(
      f'--resize={options.resize}: {nearest(options.resize, ("antialias", "legacy"))}'
    )
  networks = registry.names('features', 'load')
  for name in (*(options.features or ()), *options.weights):
    if name not in networks:
      raise UserError(f'--features={name}: unknown; {nearest(name, networks)}')
  metrics = registry.names('metrics', 'compute')
  for name in options.metrics or ():
    if name not in (*metrics, 'all'):
      raise UserError(f'--metrics={name}: unknown; {nearest(name, [*metrics, "all"])}')


def check_best(best: str | None, metrics: Sequence[str], features: Sequence[str]) -> None:
  """Raises UserError for a score that orders nothing here, before any is computed."""
  if best is None:
    return
  found = []
  for metric in metrics:
    module = registry.find('metrics', metric, 'compute', 'evaluate.metrics')
    ordering = [name for name, higher in module.SCORES.items() if higher is not None]
    suffixes = [''] if 'images' in module.NEEDS else [f'_{name}' for name in features]
    found += [f'{name}{suffix}' for name in ordering for suffix in suffixes]
  if best.removesuffix('_legacy') not in found:
    raise UserError(f'--best={best}: {nearest(best, found)}')


def every_metric(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
  """The metrics that `all` stands for, or those named."""
  return tuple(registry.names('metrics', 'compute')) if names == ('all',) else names


def strict(names: tuple[str, ...] | None) -> bool:
  """Whether what cannot be given is an error: where the user has named it."""
  return names is not None and names != ('all',)
