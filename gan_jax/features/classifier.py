"""A small convolutional classifier of the dataset's own labels, trained here and cached.

Its pooled features stand for what tells this dataset's classes apart, which ImageNet features of
small grey images do not; its logits say whether a sample is of the class that was asked for.
Training images are distorted by small random affine maps. The accuracy on held-out real images is
part of its description.
"""

import functools
import hashlib
import json
import logging
import os
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from flax.traverse_util import flatten_dict, unflatten_dict

from gan_jax import cache, parallel
from gan_jax.data.source import ImageDataset
from gan_jax.errors import UserError
from gan_jax.features.network import FeatureNetwork, Request
from gan_jax.models.layers import Conv
from gan_jax.ops import pixels


class Recipe(NamedTuple):
  """All that decides the weights beside the data: part of the cache's key.

  Attributes:
    version: changes with this file's code.
    widths: channels of the halving layers.
    features: length of the pooled features.
    images: training images, with repetition.
    batch_size: images of an update.
    learning_rate: of Adam, falling to 0 along half a cosine.
    rotation: largest angle, radians.
    log_scale: largest logarithm of the scale of each axis.
    shift: largest shift, as a share of the side.
  """

  version: int = 1
  widths: tuple[int, ...] = (16, 32, 64)
  features: int = 128
  images: int = 80_000
  batch_size: int = 50
  learning_rate: float = 2e-3
  rotation: float = 0.3
  log_scale: float = 0.2
  shift: float = 0.08


RECIPE = Recipe()
_MAX_IMAGES = 50_000


class Classifier(nn.Module):
  """Maps images `[B, H, W, C]` in [-1, 1] to `(features [B, 128], logits [B, num_classes])`."""

  num_classes: int

  @nn.compact
  def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Halves the resolution with each layer down to about 4 pixels."""
    he = nn.initializers.he_normal()
    widths = list(RECIPE.widths)
    halvings = max(len(widths), int(np.log2(min(x.shape[1:3]))) - 2)
    widths += [widths[-1]] * (halvings - len(widths))
    for i, width in enumerate(widths):
      x = Conv(width, 5 if i == 0 else 3, stride=2, padding=2 if i == 0 else 1, kernel_init=he)(x)
      x = nn.relu(nn.GroupNorm(num_groups=8)(x))
    # Flattened, not averaged: where a stroke is tells a 6 from a 9.
    features = nn.relu(nn.Dense(RECIPE.features, kernel_init=he)(x.reshape(len(x), -1)))
    return features, nn.Dense(self.num_classes)(features)


def load(request: Request) -> FeatureNetwork:
  """Returns the classifier of a dataset, trained now unless it is in the user's cache.

  Args:
    request: of it the images and labels to learn from, and those that its accuracy is measured on.

  Raises:
    UserError: for a dataset without classes.
  """
  train, holdout = request.train, request.holdout
  if not train.num_classes:
    raise UserError(
      f"config.evaluate.features: 'classifier' needs labels, and dataset {train.name} has none; "
      "accepted for it: 'efficientnet_lite0'"
    )
  model = Classifier(train.num_classes)
  key = json.dumps([RECIPE, train.fingerprint, holdout.fingerprint])
  name = f'classifier-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz'
  path = os.path.join(cache.directory('features'), name)
  loaded = _load(path)
  if loaded is None:
    logging.getLogger(__name__).info(
      'training the classifier of %s (once; kept in %s)', train.name, path
    )
    params = _train(model, train)
    accuracy = _accuracy(model, params, holdout)
    _save(path, params, accuracy)
  else:
    params, accuracy = loaded
  description = {
    'holdout_accuracy': accuracy,
    'holdout_images': len(holdout),
    'recipe': RECIPE._asdict(),
  }
  apply: Any = lambda params, images: model.apply({'params': params}, pixels.to_model(images))
  return FeatureNetwork('classifier', params, apply, description, classes='dataset')


def _train(model: Classifier, dataset: ImageDataset) -> Any:
  batch_size = min(RECIPE.batch_size, len(dataset))
  steps = RECIPE.images // batch_size
  schedule = optax.cosine_decay_schedule(RECIPE.learning_rate, steps)
  tx = optax.adam(schedule)

  @jax.jit
  def start(key: jax.Array) -> Any:
    params = model.init(key, jnp.zeros((1, *dataset.shape)))['params']
    return params, tx.init(params)

  @functools.partial(jax.jit, compiler_options=parallel.compiler_options())
  def step(
    params: Any, opt_state: Any, key: jax.Array, images: jax.Array, labels: jax.Array
  ) -> Any:
    images = _distort(key, pixels.to_model(images))

    def loss(params: Any) -> jax.Array:
      _, logits = model.apply({'params': params}, images)
      return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    updates, opt_state = tx.update(jax.grad(loss)(params), opt_state)
    return optax.apply_updates(params, updates), opt_state

  key = jax.random.key(0)
  params, opt_state = start(key)
  rng = np.random.default_rng(0)
  rows = np.arange(len(dataset))
  if len(rows) > _MAX_IMAGES:
    rows = np.sort(rng.choice(rows, _MAX_IMAGES, replace=False))
  for number in range(steps):
    batch = dataset.fetch(rng.choice(rows, batch_size, replace=False))
    step_key = jax.random.fold_in(key, number)
    params, opt_state = step(params, opt_state, step_key, batch['image'], batch['label'])
  return jax.device_get(params)


def _distort(key: jax.Array, images: jax.Array) -> jax.Array:
  """Rotates, scales and shifts each image at random, bilinearly, edges repeated."""
  B, H, W, _ = images.shape
  keys = jax.random.split(key, 3)
  angle = jax.random.uniform(keys[0], (B,), minval=-1.0) * RECIPE.rotation
  scale = jnp.exp(jax.random.uniform(keys[1], (B, 2), minval=-1.0) * RECIPE.log_scale)
  shift = jax.random.uniform(keys[2], (B, 2), minval=-1.0) * RECIPE.shift * jnp.array([H, W])
  y, x = jnp.meshgrid(jnp.arange(H) - (H - 1) / 2, jnp.arange(W) - (W - 1) / 2, indexing='ij')
  c, s = jnp.cos(angle)[:, None, None], jnp.sin(angle)[:, None, None]
  rows = (c * y + s * x) * scale[:, 0, None, None] + shift[:, 0, None, None] + (H - 1) / 2
  columns = (c * x - s * y) * scale[:, 1, None, None] + shift[:, 1, None, None] + (W - 1) / 2
  sample = lambda plane, r, q: jax.scipy.ndimage.map_coordinates(plane, [r, q], 1, mode='nearest')
  over_channels = jax.vmap(sample, in_axes=(2, None, None), out_axes=2)
  return jax.vmap(over_channels)(images, rows, columns)


def _accuracy(model: Classifier, params: Any, dataset: ImageDataset) -> float:
  logits: Any = jax.jit(
    lambda images: model.apply({'params': params}, pixels.to_model(images))[1],
    compiler_options=parallel.compiler_options(),
  )
  right = 0
  for start in range(0, len(dataset), 250):
    batch = dataset.fetch(np.arange(start, min(start + 250, len(dataset))))
    right += int(np.sum(np.argmax(logits(batch['image']), axis=-1) == batch['label']))
  return right / len(dataset)


def _save(path: str, params: Any, accuracy: float) -> None:
  flat = {'/'.join(name): value for name, value in flatten_dict(params).items()}
  cache.save_arrays(path, {'holdout_accuracy': accuracy, **flat})


def _load(path: str) -> tuple[Any, float] | None:
  """Reads the cache; a file that is missing or not whole counts as not there."""
  arrays = cache.load_arrays(path)
  if arrays is None:
    return None
  accuracy = float(arrays.pop('holdout_accuracy'))
  return unflatten_dict({tuple(name.split('/')): value for name, value in arrays.items()}), accuracy
