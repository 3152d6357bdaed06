"""What the user asks to be scored, beyond what a config says."""

from collections.abc import Sequence
from typing import NamedTuple

from gan_jax import registry
from gan_jax.errors import UserError, nearest
from gan_jax.evaluation import keys
from gan_jax.features.network import RESIZES, Resize


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
    allow_trained_features: score by features that a run was trained on, marked in their name.
    allow_different_n: put scores of different numbers of images into one table.
    data_dir: where the datasets of runs are now; '': where the runs had them.
    tenths: pick some of the best, middle and worst images of what is best.
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
  allow_trained_features: bool = False
  data_dir: str = ''
  tenths: bool = False


def check(options: Options) -> None:
  """Raises UserError for values that no evaluation can have, before anything is opened."""
  for name in ('num_samples', 'num_reals', 'repeats'):
    value = getattr(options, name)
    if value is not None and value < 1:
      raise UserError(f'--{name}={value}: must be positive')
  if options.resize is not None and options.resize not in RESIZES:
    raise UserError(f'--resize={options.resize}: {nearest(options.resize, RESIZES)}')
  networks = registry.names('features')
  for flag, names, accepted in (
    ('features', options.features or (), networks),
    ('metrics', options.metrics or (), [*registry.names('metrics'), 'all']),
  ):
    for name in names:
      if name not in accepted and not name.endswith('.py'):
        raise UserError(f'--{flag}={name}: unknown; {nearest(name, accepted)}')
      if names.count(name) > 1 or (name == 'all' and len(names) > 1):
        raise UserError(f'--{flag}={",".join(names)}: {name} and another of them are the same')
  for name in options.weights:
    taking = [n for n in networks if registry.find('features', n, '').TAKES_WEIGHTS]
    if name not in taking:
      raise UserError(f'--weights={name}=...: takes no file of weights; {nearest(name, taking)}')


def check_best(
  best: str | None,
  metrics: Sequence[str],
  features: Sequence[str],
  resize: str,
  teachers: tuple[str, ...] = (),
) -> None:
  """Raises UserError for a score that orders nothing here, before any is computed."""
  found = keys.ordering(metrics, features, resize, teachers)
  if best is not None and best not in found:
    raise UserError(f'--best={best}: {nearest(best, found)}')


def every_metric(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
  """The metrics that `all` stands for, or those named."""
  return tuple(registry.names('metrics')) if names == ('all',) else names


def strict(names: tuple[str, ...] | None) -> bool:
  """Whether what cannot be given is an error: where the user has named it."""
  return names is not None and names != ('all',)
