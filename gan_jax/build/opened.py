"""Opens the generator of a run out of its workdir."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from ml_collections import ConfigDict

from gan_jax.build.players import modules
from gan_jax.errors import UserError
from gan_jax.runtime import cache
from gan_jax.runtime.tree import PyTree
from gan_jax.sampling.sampler import Sampler
from gan_jax.training import precision
from gan_jax.workdir import checkpoint, record


class OpenRun(NamedTuple):
  """A run's generator, read from its workdir without its dataset.

  Attributes:
    config: of the run.
    generator: the network.
    dtype: of the images that it makes.
    variables: the averaged ones of the generator.
    step: that they are of.
    images: shown before it.
    class_names: of the dataset, in the order of the labels.
  """

  config: ConfigDict
  generator: nn.Module
  dtype: np.dtype
  variables: PyTree
  step: int
  images: int
  class_names: tuple[str, ...] = ()

  def sampler(self, batch_size: int) -> Sampler:
    """Makes a sampler of the generator."""
    return Sampler(self.generator, batch_size, self.dtype)


def open_run(workdir: str, step: int | None) -> OpenRun:
  """Opens a checkpoint of a run.

  Args:
    workdir: of the run.
    step: of the checkpoint, or the images shown before it; None: the newest.

  Raises:
    UserError: where there is no run, or no such checkpoint.
  """
  cache.enable_compilation_cache()
  config = record.load_config(workdir)
  dataset = record.read_circumstances(workdir).get('dataset')
  if dataset is None:
    raise UserError(f'--workdir={workdir}: holds no whole run (no dataset in run.json)')
  generator, _ = modules(config, dataset['shape'][-1], dataset['num_classes'])
  checkpoints = checkpoint.Checkpointer(workdir, read_only=True)
  # Nothing but the generator: a run can be sampled without what trained it.
  shapes = generator_shapes(generator)
  if config.ema.get('precision') == 'bfloat16':
    half = lambda x: jax.ShapeDtypeStruct(x.shape, jnp.bfloat16)
    shapes = {**shapes, 'params': jax.tree.map(half, shapes['params'])}
  template = {'ema': shapes, 'step': np.zeros((), np.int32)}
  if step is not None:
    step = checkpoints.find(step)
  state = checkpoints.restore(template, step, part=True)
  dtype, found = np.dtype(dataset.get('dtype', 'uint8')), int(state['step'])
  images = checkpoints.about(found)['images']
  names = tuple(dataset.get('class_names') or ())
  average = precision.float32(state['ema'])
  return OpenRun(config, generator, dtype, average, found, images, names)


def generator_shapes(generator: nn.Module) -> PyTree:
  """The shapes of a generator's variables."""
  initialise = functools.partial(generator.init, train=False)
  latents = jnp.zeros((1, generator.latent_size))
  return jax.eval_shape(initialise, jax.random.key(0), latents, jnp.zeros((1,), jnp.int32))


def open_discriminator(workdir: str, run: OpenRun) -> tuple[nn.Module, PyTree, PyTree]:
  """Opens the discriminator that a run's generator was trained against.

  Args:
    workdir: of the run.
    run: as `open_run` opened it.

  Returns:
    The module, its weights, and its other collections, at the same step.

  Raises:
    UserError: where there is no such checkpoint.
  """
  dataset = record.read_circumstances(workdir)['dataset']
  _, discriminator = modules(run.config, dataset['shape'][-1], dataset['num_classes'])
  _, state = checkpoint.Checkpointer(workdir, read_only=True).read(run.step)
  player = state['discriminator']
  return discriminator, player['params'], player.get('mutable') or {}
