"""Opens the generator of a run out of its workdir."""

from typing import NamedTuple

import numpy as np
from flax import linen as nn
from ml_collections import ConfigDict

from gan_jax.build.players import networks
from gan_jax.build.programs import shapes
from gan_jax.errors import UserError
from gan_jax.runtime import cache
from gan_jax.runtime.tree import PyTree
from gan_jax.sampling.sampler import Sampler
from gan_jax.workdir import checkpoint, record


class OpenRun(NamedTuple):
  """A run's generator, read from its workdir without its dataset.

  Attributes:
    config: of the run.
    generator: the network.
    dtype: of the images that it makes.
    variables: the averaged ones of the generator.
    step: that they are of.
  """

  config: ConfigDict
  generator: nn.Module
  dtype: np.dtype
  variables: PyTree
  step: int

  def sampler(self, batch_size: int) -> Sampler:
    """Makes a sampler of the generator."""
    return Sampler(self.generator, batch_size, self.dtype)


def open_run(workdir: str, step: int | None) -> OpenRun:
  """Opens a checkpoint of a run; `step` None is the newest."""
  cache.enable_compilation_cache()
  config = record.load_config(workdir)
  dataset = record.read_circumstances(workdir).get('dataset')
  if dataset is None:
    raise UserError(f'--workdir={workdir}: holds no whole run (no dataset in run.json)')
  parts = networks(config, dataset['shape'][-1], dataset['num_classes'])
  checkpoints = checkpoint.Checkpointer(workdir, read_only=True)
  template = shapes(parts)
  state = checkpoints.restore(template, step)
  dtype = np.dtype(dataset.get('dtype', 'uint8'))
  return OpenRun(config, parts.generator, dtype, state.ema, int(state.step))
