"""A small convolutional classifier of the dataset's own labels, trained here and cached.

Its pooled features stand for what tells this dataset's classes apart, which ImageNet features of
small grey images do not; its logits say whether a sample is of the class that was asked for.
Training images are distorted by random affine maps, which fall to none with the learning rate: few
images last longer, and the last ones are as those that it will see. The accuracy on held-out real
images is part of its description.
"""

import contextlib
import functools
import hashlib
import json
import logging
import os
import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from flax.traverse_util import flatten_dict, unflatten_dict

from gan_jax.data.source import ImageDataset
from gan_jax.errors import UserError
from gan_jax.features import kept
from gan_jax.features.network import FeatureNetwork, Request
from gan_jax.models.layers import Conv
from gan_jax.ops import pixels
from gan_jax.runtime import cache, hosts, parallel

RESIZES = False
TAKES_WEIGHTS = False


class Recipe(NamedTuple):
  """All that decides the weights beside the data and the code: part of the cache's key.

  Attributes:
    widths: channels of the halving layers.
    features: length of the pooled features.
    images: training images, with repetition, at least.
    passes: over a dataset that is larger.
    most_images: of a dataset that is larger still.
    batch_size: images of an update.
    learning_rate: of Adam, falling to 0 along half a cosine.
    rotation: largest angle at first, radians.
    log_scale: largest logarithm of the scale of each axis at first.
    shift: largest shift at first, as a share of the side.
  """

  widths: tuple[int, ...] = (16, 32, 64)
  features: int = 128
  images: int = 80_000
  passes: int = 5
  most_images: int = 300_000
  batch_size: int = 50
  learning_rate: float = 2e-3
  rotation: float = 0.3
  log_scale: float = 0.2
  shift: float = 0.08

  def updates(self, count: int) -> int:
    """Of a dataset of `count` images."""
    images = max(self.images, min(self.passes * count, self.most_images))
    return images // min(self.batch_size, count)


RECIPE = Recipe()
_MAX_IMAGES = 100_000
_SUFFIX, _KEPT = '.classifier.npz', 64  # the file unused for the longest goes first

Fetch = Callable[[np.ndarray], dict[str, np.ndarray]]
"""Reads rows: `image`, uint8 or uint16 `[n, H, W, C]`, and `label`, integers `[n]`."""


class Classifier(nn.Module):
  """Maps images `[B, H, W, C]` in [-1, 1] to `(features [B, 128], logits [B, num_classes])`."""

  num_classes: int
  recipe: Recipe

  @nn.compact
  def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Halves the resolution with each layer down to about 4 pixels."""
    he = nn.initializers.he_normal()
    widths = list(self.recipe.widths)
    halvings = max(len(widths), int(np.log2(min(x.shape[1:3]))) - 2)
    widths += [widths[-1]] * (halvings - len(widths))
    for i, width in enumerate(widths):
      x = Conv(width, 5 if i == 0 else 3, stride=2, padding=2 if i == 0 else 1, kernel_init=he)(x)
      x = nn.relu(nn.GroupNorm(num_groups=8)(x))
    # Flattened, not averaged: where a stroke is tells a 6 from a 9.
    features = nn.relu(nn.Dense(self.recipe.features, kernel_init=he)(x.reshape(len(x), -1)))
    return features, nn.Dense(self.num_classes)(features)


def check(request: Request) -> None:
  """Raises UserError for a dataset with less than two classes: nothing can be told apart there."""
  train = request.train
  if train.num_classes < 2:
    has = 'one class' if train.num_classes else 'none'
    raise UserError(
      f"config.evaluate.features: 'classifier' needs labels of two classes or more, and dataset "
      f"{train.name} has {has}; accepted for it: 'efficientnet_lite0'"
    )


def load(request: Request) -> FeatureNetwork:
  """Returns the classifier of a dataset, trained now unless it is in the user's cache.

  Args:
    request: of it the images and labels to learn from, and those that its accuracy is measured on.

  Raises:
    UserError: as `check` does.
  """
  check(request)
  train, holdout = request.train, request.holdout
  model = Classifier(train.num_classes, RECIPE)
  apply = functools.partial(run, model)
  params, share = _params(model, train, holdout)
  description = {
    'holdout_accuracy': share,
    'holdout_images': len(holdout),
    'recipe': RECIPE._asdict(),
    # Trained on another machine it has other weights, and its scores are others.
    'digest': _digest(params),
  }
  return FeatureNetwork('classifier', params, apply, description, classes='dataset')


def _params(model: Classifier, train: ImageDataset, holdout: ImageDataset) -> tuple[Any, float]:
  """The weights and their held-out accuracy: kept ones, or trained now; the same on all hosts."""
  path = _path(train, holdout)
  loaded = _load(path)
  # All train where the first has none: a host that only waited would heed no signal.
  missing = hosts.on_first(lambda: loaded is None)
  if missing:
    if hosts.is_first():
      text = 'training the classifier of %s (once; kept in %s)'
      logging.getLogger(__name__).info(text, train.name, path)
    params = fit(model, train.fetch, len(train))
    logits_of: Any = lambda images: run(model, params, images)[1]
    loaded = params, accuracy(logits_of, holdout.fetch, len(holdout))
  elif loaded is not None:
    with contextlib.suppress(OSError):  # not ours to touch
      os.utime(path)

  def shapes() -> Any:
    start = lambda key: model.init(key, jnp.zeros((1, *train.shape)))['params']
    return jax.eval_shape(start, jax.random.key(0)), jax.ShapeDtypeStruct((), np.float64)

  # The first's, bit by bit: on others their own may differ in rounding.
  params, share = hosts.of_first(loaded, shapes)
  if missing or loaded is None:
    _save(path, params, float(share))
  return params, float(share)


def fit(model: Classifier, fetch: Fetch, count: int) -> Any:
  """Trains a classifier by its recipe; the same images in the same order give the same weights.

  Args:
    model: what to train.
    fetch: reads the training images.
    count: their number.

  Returns:
    The weights, on the host.
  """
  recipe = model.recipe
  batch_size = min(recipe.batch_size, count)
  steps = recipe.updates(count)
  fall = optax.cosine_decay_schedule(1.0, steps)
  tx = optax.adam(lambda number: recipe.learning_rate * fall(number))
  shape = fetch(np.arange(1))['image'].shape

  @jax.jit
  def start(key: jax.Array) -> Any:
    params = model.init(key, jnp.zeros(shape))['params']
    return params, tx.init(params)

  @functools.partial(jax.jit, compiler_options=parallel.compiler_options())
  def step(
    params: Any, opt_state: Any, number: jax.Array, images: jax.Array, labels: jax.Array
  ) -> Any:
    step_key = jax.random.fold_in(key, number)
    images = distort(recipe, step_key, pixels.to_model(images), fall(number))

    def loss(params: Any) -> jax.Array:
      _, logits = model.apply({'params': params}, images)
      return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    updates, opt_state = tx.update(jax.grad(loss)(params), opt_state)
    return optax.apply_updates(params, updates), opt_state

  key = jax.random.key(0)
  params, opt_state = start(key)
  rng = np.random.default_rng(0)
  rows = np.arange(count)
  if len(rows) > _MAX_IMAGES:
    rows = np.sort(rng.choice(rows, _MAX_IMAGES, replace=False))
  for number in range(steps):
    batch = fetch(rng.choice(rows, batch_size, replace=False))
    params, opt_state = step(params, opt_state, number, batch['image'], batch['label'])
  return jax.device_get(params)


def distort(
  recipe: Recipe, key: jax.Array, images: jax.Array, strength: jax.typing.ArrayLike = 1.0
) -> jax.Array:
  """Rotates, scales and shifts each image at random, bilinearly, edges repeated.

  Args:
    recipe: how far at most.
    key: of the draws.
    images: `[B, H, W, C]`.
    strength: factor of all three.
  """
  B, H, W, _ = images.shape
  keys = jax.random.split(key, 3)
  angle = jax.random.uniform(keys[0], (B,), minval=-1.0) * recipe.rotation * strength
  scale = jnp.exp(jax.random.uniform(keys[1], (B, 2), minval=-1.0) * recipe.log_scale * strength)
  shift = jax.random.uniform(keys[2], (B, 2), minval=-1.0) * recipe.shift * strength
  shift *= jnp.array([H, W])
  y, x = jnp.meshgrid(jnp.arange(H) - (H - 1) / 2, jnp.arange(W) - (W - 1) / 2, indexing='ij')
  c, s = jnp.cos(angle)[:, None, None], jnp.sin(angle)[:, None, None]
  rows = (c * y + s * x) * scale[:, 0, None, None] + shift[:, 0, None, None] + (H - 1) / 2
  columns = (c * x - s * y) * scale[:, 1, None, None] + shift[:, 1, None, None] + (W - 1) / 2
  sample = lambda plane, r, q: jax.scipy.ndimage.map_coordinates(plane, [r, q], 1, mode='nearest')
  over_channels = jax.vmap(sample, in_axes=(2, None, None), out_axes=2)
  return jax.vmap(over_channels)(images, rows, columns)


def run(model: Classifier, params: Any, images: jax.Array) -> tuple[jax.Array, jax.Array]:
  """Features and logits of images as they are stored, `[B, H, W, C]`."""
  # Full float32 on every platform: GPUs and TPUs default to less, and scores would differ.
  with jax.default_matmul_precision('float32'):
    return model.apply({'params': params}, pixels.to_model(images))  # type: ignore[return-value]


def accuracy(logits_of: Callable[[jax.Array], jax.Array], fetch: Fetch, count: int) -> float:
  """Share of `count` images whose highest logit is that of their label."""
  found, labels = predict(logits_of, fetch, count)
  return float(np.mean(found == labels))


def predict(
  logits_of: Callable[[jax.Array], jax.Array], fetch: Fetch, count: int
) -> tuple[np.ndarray, np.ndarray]:
  """The class of the highest logit of each of `count` images, and its label, both `[count]`."""
  compiled: Any = jax.jit(logits_of, compiler_options=parallel.compiler_options())
  found, labels = [], []
  size = parallel.images_at_once(250, fetch(np.arange(1))['image'].shape[1:], layers=4)
  for start in range(0, count, size):
    batch = fetch(np.arange(start, min(start + size, count)))
    found.append(np.argmax(compiled(batch['image']), axis=-1))
    labels.append(batch['label'])
  return np.concatenate(found), np.concatenate(labels)


def _path(train: ImageDataset, holdout: ImageDataset) -> pathlib.Path:
  about = [[d.fingerprint, d.stamp, d.shape, d.num_classes] for d in (train, holdout)]
  key = json.dumps([RECIPE, about, kept.code()])
  name = f'{hashlib.sha256(key.encode()).hexdigest()[:16]}{_SUFFIX}'
  return cache.directory('features') / name


def _save(path: pathlib.Path, params: Any, accuracy: float) -> None:
  flat = {'/'.join(name): value for name, value in flatten_dict(params).items()}
  cache.save_arrays(path, {'holdout_accuracy': accuracy, **flat})
  cache.keep_newest(path.parent, _SUFFIX, _KEPT)


def _digest(params: Any) -> str:
  flat = sorted(flatten_dict(params, sep='/').items())
  digest = hashlib.sha256()
  for name, value in flat:
    digest.update(name.encode() + np.ascontiguousarray(value).tobytes())
  return digest.hexdigest()[:16]


def _load(path: pathlib.Path) -> tuple[Any, float] | None:
  """Reads the cache; a file that is missing or not whole counts as not there."""
  arrays = cache.load_arrays(path)
  if arrays is None:
    return None
  accuracy = float(arrays.pop('holdout_accuracy'))
  return unflatten_dict({tuple(name.split('/')): value for name, value in arrays.items()}), accuracy
