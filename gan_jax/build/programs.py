"""Makes the compiled programs of a config: the initial state and the train step."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from gan_jax import registry
from gan_jax.build.data import fake_labels
from gan_jax.build.players import Networks
from gan_jax.build.recipe import recipe
from gan_jax.data.source import ImageDataset
from gan_jax.ops import pixels
from gan_jax.runtime import parallel
from gan_jax.runtime.programs import Program
from gan_jax.training import draws
from gan_jax.training.diagnosis import make_diagnosis
from gan_jax.training.state import TrainState, initializer
from gan_jax.training.step import make_train_step

Probabilities = tuple[float, ...] | None
"""Of the classes of fakes; None: labels of the reals."""


def initial_program(config: ConfigDict, parts: Networks) -> Program:
  """The program from the run's key to the state of step 0."""
  made = recipe(config, parts)
  return Program(initializer(made), _made_of('initial state', config, parts))


def step_program(
  config: ConfigDict, parts: Networks, probabilities: Probabilities = None
) -> Program:
  """The train step over all devices; the state's buffers are donated."""
  mapped = parallel.pmap_step(train_step(config, parts, probabilities))
  return Program(mapped, [*_made_of('train step', config, parts), probabilities])


class TrainingPrograms(NamedTuple):
  """The programs of a training loop.

  Attributes:
    step: `(state, batch) -> (state, metrics)`; the state's buffers are donated.
    diagnosis: `(state, training batch, held-out batch) -> metrics`.
  """

  step: Program
  diagnosis: Program


def training_programs(
  config: ConfigDict, parts: Networks, dataset: ImageDataset
) -> TrainingPrograms:
  """The programs of a run on a dataset."""
  probabilities = fake_labels(config, dataset)
  diagnose = make_diagnosis(recipe(config, parts, probabilities))
  diagnosis = Program(parallel.pmap_read(diagnose), _made_of('diagnosis', config, parts))
  return TrainingPrograms(step_program(config, parts, probabilities), diagnosis)


def augmented(config: ConfigDict, parts: Networks, images: np.ndarray) -> np.ndarray | None:
  """Images as the discriminator sees them, for the eye; None where nothing is done to them.

  At the greatest strength that the run may reach: what each operation does is there to be seen.

  Args:
    config: of the run.
    parts: its networks.
    images: uint8 or uint16 `[N, H, W, C]`.
  """
  augmentation = recipe(config, parts).augmentation
  if not augmentation.operations:
    return None
  section = config.augment
  most = section.maximum if section.adaptive else max(section.strength, section.strength_final or 0)
  keys = draws.per_example(jax.random.key(config.seed), jnp.arange(len(images)))

  @jax.jit
  def augment(keys: jax.Array, images: jax.Array) -> jax.Array:
    changed = augmentation(keys, pixels.to_model(images), jnp.float32(most))
    return pixels.from_model(changed, images.dtype)

  size = parallel.images_at_once(len(images), images.shape[1:])
  few = [slice(start, start + size) for start in range(0, len(images), size)]
  return np.concatenate([np.asarray(augment(keys[some], images[some])) for some in few])


def _made_of(what: str, config: ConfigDict, parts: Networks) -> list[Any]:
  """What decides a program of these networks; only keys that cannot be part of it are left out."""
  made_of = config.to_dict()
  for section in ('seed', 'evaluate', 'sample', 'checkpoint'):
    made_of.pop(section)
  for key in ('images', 'seconds', 'log_images', 'sample_images', 'checkpoint_images', 'diagnose'):
    made_of['train'].pop(key)
  for key in ('rollbacks', 'memory_gb'):  # which came later than the others
    made_of['train'].pop(key, None)
  own = registry.own_files(made_of)
  return [what, made_of, own, repr(parts.generator), repr(parts.discriminator)]


def shapes(config: ConfigDict, parts: Networks, devices: int | None = None) -> TrainState:
  """The shapes of a state; raises UserError where a network cannot make or score the images."""
  made = recipe(config, parts, devices=devices)
  return jax.eval_shape(initializer(made), jax.random.key(0))


def train_step(
  config: ConfigDict,
  parts: Networks,
  probabilities: Probabilities = None,
  devices: int | None = None,
) -> Callable[..., Any]:
  """The train step of a config, for one device or under pmap's axis.

  Args:
    config: of the run.
    parts: its networks.
    probabilities: of the classes of fakes.
    devices: over which it will run; None: those that there are.
  """
  return make_train_step(recipe(config, parts, probabilities, devices))
