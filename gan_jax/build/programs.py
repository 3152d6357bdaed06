"""Makes the compiled programs of a config: the initial state and the train step."""

from collections.abc import Callable
from typing import Any

import jax
from ml_collections import ConfigDict

from gan_jax import registry
from gan_jax.build.players import Networks
from gan_jax.build.schedules import schedule
from gan_jax.runtime import parallel
from gan_jax.runtime.programs import Program
from gan_jax.training import optim, step
from gan_jax.training.state import TrainState, initializer


def initial_program(config: ConfigDict, parts: Networks) -> Program:
  """The program from the run's key to the state of step 0."""
  return Program(initializer(*parts), _made_of('initial state', config, parts))


def step_program(config: ConfigDict, parts: Networks) -> Program:
  """The train step over all devices; the state's buffers are donated."""
  mapped = parallel.pmap_step(train_step(config, parts))
  return Program(mapped, _made_of('train step', config, parts))


def _made_of(what: str, config: ConfigDict, parts: Networks) -> list[Any]:
  """What decides a program of these networks; only keys that cannot be part of it are left out."""
  made_of = config.to_dict()
  for section in ('seed', 'evaluate', 'sample', 'checkpoint'):
    made_of.pop(section)
  for key in ('images', 'log_images', 'sample_images', 'checkpoint_images'):
    made_of['train'].pop(key)
  return [what, made_of, repr(parts.generator), repr(parts.discriminator)]


def shapes(parts: Networks) -> TrainState:
  """The shapes of a state; raises UserError where a network cannot make or score the images."""
  return jax.eval_shape(initializer(*parts), jax.random.key(0))


def train_step(config: ConfigDict, parts: Networks) -> Callable[..., Any]:
  """The train step of a config, for one device or under pmap's axis."""
  loss = registry.find('training.losses', config.loss.name, 'd_loss', 'loss.name')
  return step.make_train_step(
    *parts,
    loss,
    batch_size=config.train.batch_size,
    share_batch=config.train.share_batch,
    flip=config.dataset.flip,
    r1_gamma=_weight(config, 'r1_gamma'),
    r2_gamma=_weight(config, 'r2_gamma'),
    ema_half_life=schedule(config, config.ema, 'half_life_images'),
    ema_ramp=config.ema.ramp,
    axis_name=parallel.AXIS,
  )


def _weight(config: ConfigDict, key: str) -> optim.Schedule | None:
  """A penalty's weight; None where it is off throughout."""
  used = config.penalty[key] or config.penalty[f'{key}_final']
  return schedule(config, config.penalty, key) if used else None
