"""Networks that are no run of ours: folders that `export` wrote, published files of other code."""

import functools
import os
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from ml_collections import ConfigDict

from gan_jax.build.opened import OpenRun, open_run
from gan_jax.build.players import modules
from gan_jax.errors import UserError
from gan_jax.models import noise
from gan_jax.runtime.tree import PyTree
from gan_jax.sampling.sampler import Sampler
from gan_jax.share import folder, program, published, weights
from gan_jax.share.published.reading import Converted

# Calls of layers for each array that the networks have: a config may ask for more layers than any
# machine traces in a lifetime.
_CALLS_AN_ARRAY = 16


class Brought(NamedTuple):
  """A pair of networks with their variables, on the host.

  Attributes:
    config: that the networks are made by.
    generator: the network; of a published file with the noise that the file holds.
    variables: the generator's; the averaged ones.
    discriminator: its variables, or None where there are none.
    dtype: of the images, uint8 or uint16.
    class_names: in the order of the labels, or empty.
    step: of the checkpoint, or None.
    images: real images shown before it, or None.
    fingerprints: of the data that it was trained on, by name; None where they are not known.
  """

  config: ConfigDict
  generator: nn.Module
  variables: PyTree
  discriminator: PyTree | None
  dtype: str
  class_names: tuple[str, ...] = ()
  step: int | None = None
  images: int | None = None
  fingerprints: dict[str, str] | None = None

  def sampler(self, batch_size: int) -> Sampler:
    """Makes a sampler of the generator."""
    return Sampler(self.generator, batch_size, np.dtype(self.dtype))


def brought(path: str) -> Brought | None:
  """Reads the networks of a path; None where it is neither a folder nor a file of a known kind.

  Raises:
    UserError: where it is of a known kind and cannot be used; says what was found.
  """
  if published.is_one(path):
    return _of_file(path)
  return _of_folder(path) if os.path.isdir(path) else None


def is_run(path: str) -> bool:
  """Whether a path is none of another origin: a run, or refused as one."""
  return not published.is_one(path) and not (os.path.isdir(path) and folder.read(path))


def open_generator(path: str, step: int | None) -> Brought | OpenRun:
  """Opens a generator of any origin; of a run a checkpoint, None: the newest.

  Raises:
    UserError: where it cannot be opened, or a step is named of what holds one generator.
  """
  found = brought(path)
  if found is None:
    return open_run(path, step)
  if step is not None:
    raise UserError(f'{path}: holds one generator, not checkpoints; leave --step out')
  return found


def _of_file(path: str) -> Brought:
  """The networks of a published file."""
  found = published.read(path)
  made = found.generator
  if made is None:
    raise UserError(f'{path}: holds a discriminator alone, and a generator is wanted')
  config = _config(made, found.discriminator)
  generator, discriminator = modules(config, made.channels, made.num_classes)
  _check_shapes(path, generator, jnp.zeros((1, made.latent_size)), made)
  variables = program.nested(made.variables)
  judge = None
  if found.discriminator is not None:
    shape = (1, made.resolution, made.resolution, made.channels)
    _check_shapes(path, discriminator, jnp.zeros(shape), found.discriminator)
    judge = program.nested(found.discriminator.variables)
  return Brought(config, generator, variables, judge, 'uint8')


def _config(made: Converted, judge: Converted | None) -> ConfigDict:
  """The keys of a config that say what the networks are."""
  settings = judge.settings if judge and judge.architecture == made.architecture else {}
  return ConfigDict(
    {
      'dataset': {'resolution': made.resolution, 'width': None},
      'model': {
        **{'name': made.architecture, 'discriminator': ''},
        **{'conditional': made.num_classes > 0, 'latent_size': made.latent_size},
      },
      made.architecture: {**settings, **made.settings},
    }
  )


def _check_shapes(path: str, network: nn.Module, inputs: Any, made: Converted) -> None:
  """Raises UserError where the tensors are not those of the network that they look like."""
  shapes = program.flat(shapes_within(network, inputs, len(made.variables), path))
  found = {k: v for k, v in made.variables.items() if not k.startswith(f'{noise.FIXED}/')}
  problems = weights.differences(found, shapes)
  if problems:
    raise UserError(f'{path}: {problems}')


def _of_folder(path: str) -> Brought | None:
  found = folder.read(path)
  if found is None:
    return None
  generator, discriminator = modules(found.config, found.shape[2], found.num_classes)
  read = functools.partial(_read, found)
  return Brought(
    found.config,
    generator,
    read(folder.GENERATOR, generator, jnp.zeros((1, found.config.model.latent_size))),
    read(folder.DISCRIMINATOR, discriminator, as_judged(discriminator, found.shape))
    if os.path.exists(found.path(folder.DISCRIMINATOR))
    else None,
    found.dtype,
    found.class_names,
    found.step,
    found.images,
    found.fingerprints,
  )


def as_judged(discriminator: Any, shape: tuple[int, int, int]) -> Any:
  """One image `(H, W, C)` of zeros in the form that a discriminator takes."""
  present = getattr(discriminator, 'present', lambda images: images)
  shapes = jax.eval_shape(present, jnp.zeros((1, *shape)))
  return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)


def _read(found: folder.Shared, name: str, network: nn.Module, inputs: Any) -> PyTree:
  path = found.path(name)
  shapes = shapes_within(network, inputs, weights.count(path), path)
  return program.nested(weights.read_as(path, program.flat(shapes)))


def shapes_within(network: nn.Module, inputs: Any, arrays: int, path: str) -> PyTree:
  """The shapes of a network's variables, if it has about as many as a file holds arrays.

  Raises:
    UserError: for a network of far more layers, or one that cannot be made.
  """
  calls = 0

  def counted(following: Any, arguments: Any, options: Any, context: Any) -> Any:
    nonlocal calls
    calls += 1
    if calls > _CALLS_AN_ARRAY * (arrays + 1):
      raise UserError(
        f'{path}: holds {arrays} arrays, and the config asks for a network of many more layers'
      )
    return following(*arguments, **options)

  def shapes() -> PyTree:
    labels = jnp.zeros((1,), jnp.int32)
    return jax.eval_shape(
      functools.partial(network.init, train=False), jax.random.key(0), inputs, labels
    )

  with nn.intercept_methods(counted):
    try:
      return shapes()
    except UserError:
      raise
    except Exception as error:  # whatever a network says of settings that do not go together
      text = ' '.join(f'{type(error).__name__}: {error}'.split())[:160]
      raise UserError(f'{path}: no network can be made of its config ({text})') from error
