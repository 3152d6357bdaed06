"""Refuses configs that no run can have, before anything is opened."""

import math
import os
from collections.abc import Callable

from ml_collections import ConfigDict

from gan_jax import registry
from gan_jax.build import players, scoring
from gan_jax.build.data import images_per_step
from gan_jax.build.keys import check_keys
from gan_jax.build.schedules import check_schedules
from gan_jax.build.transfer import check_init
from gan_jax.errors import UserError, nearest
from gan_jax.evaluation import keys
from gan_jax.features import network
from gan_jax.runtime import parallel


def check(config: ConfigDict, elsewhere: bool = False) -> None:
  """Raises UserError for values that no run can have, before anything is opened.

  Args:
    config: of the run.
    elsewhere: the run is on machines with other devices, and other files, than this one.
  """
  check_keys(config)
  if not elsewhere:
    parallel.check_batch(config.train.batch_size, 'config.train.batch_size')
  _check_steps(config)
  check_schedules(config)
  check_init(config)
  registry.find('training.losses', config.loss.name, 'loss.name')
  players.model_modules(config)
  resize = config.evaluate.resize
  if resize not in network.RESIZES:
    raise UserError(f'config.evaluate.resize={resize!r}: {nearest(resize, network.RESIZES)}')
  if config.evaluate.images > 0:
    if not elsewhere:
      _check_weights(config)
    scoring.check_features(config, scoring.features_of(config))
  ranking(config)


def _check_steps(config: ConfigDict) -> None:
  """Raises UserError for more steps than are counted in 31 bits."""
  steps = -(-config.train.images // images_per_step(config))
  if steps >= 2**31:
    raise UserError(
      f'config.train.images={config.train.images}: takes {steps:,} steps; accepted: less than '
      f'{2**31:,}, as with a larger config.train.batch_size'
    )


def _check_weights(config: ConfigDict) -> None:
  """Raises UserError where a feature network's weights are in no file, before training."""
  for name in scoring.features_of(config):
    module = registry.find('features', name, 'evaluate.features')
    path = config.evaluate.weights.get(name, '')
    if module.TAKES_WEIGHTS and not os.path.isfile(path):
      raise UserError(
        f'config.evaluate.weights.{name}={path!r}: there is no such file; {name} takes its weights '
        'from a file of yours'
      )


def ranking(config: ConfigDict) -> Callable[[dict[str, float]], float]:
  """What orders checkpoints: maps scores to a number that is lower for the better.

  Raises:
    UserError: where `checkpoint.best_score` is not among the scores of the config.
  """
  best, section = config.checkpoint.best_score, config.evaluate
  resize, teachers = section.get('resize', 'antialias'), players.teachers(config)
  named = scoring.metrics_of(config), scoring.features_of(config)
  signs = keys.ordering(*named, resize, teachers)
  if best not in signs:
    if config.checkpoint.keep_best and config.evaluate.images > 0:
      raise UserError(f'config.checkpoint.best_score={best!r}: {nearest(best, signs)}')
    return lambda scores: math.inf
  sign = -1 if signs[best] else 1
  return lambda scores: sign * scores[best] if best in scores else math.inf
