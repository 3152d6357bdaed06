"""Classifiers trained on mixtures of real and generated images, all by the same program."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from gan_jax.features import classifier
from gan_jax.ops import pixels
from gan_jax.runtime import parallel

_AT_ONCE = 500  # images that are predicted together


class Pool(NamedTuple):
  """Images to learn from: `[N, H, W, C]`, and their classes `[N]`."""

  images: np.ndarray
  labels: np.ndarray


class Mixture(NamedTuple):
  """What a classifier is trained on.

  Attributes:
    name: for people.
    fakes: share of the generated images in each batch.
    oversampled: show every class as often among the real images of a batch.
    flipped: mirror every other image.
  """

  name: str
  fakes: float = 0.0
  oversampled: bool = False
  flipped: bool = False


class Learner:
  """Trains classifiers, and predicts held-out images with them."""

  def __init__(self, num_classes: int, shape: tuple[int, ...], recipe: classifier.Recipe):
    """Compiles nothing yet; `shape` is of an image."""
    self._model = classifier.Classifier(num_classes, recipe)
    self._recipe, self._shape = recipe, shape
    self.updates = recipe.images // recipe.batch_size
    schedule = optax.cosine_decay_schedule(recipe.learning_rate, self.updates)
    self._tx = optax.adam(schedule)
    self._step = jax.jit(self._update, compiler_options=parallel.compiler_options())
    self._predict = jax.jit(self._probabilities, compiler_options=parallel.compiler_options())

  def learn(
    self,
    mixture: Mixture,
    real: Pool,
    fake: Pool,
    seed: int,
    updates: int | None = None,
    watch: Callable[[int], None] = lambda done: None,
  ) -> Any:
    """Trains one classifier.

    Args:
      mixture: of what.
      real: images.
      fake: images.
      seed: of the weights, the order and the distortions: the same for all mixtures.
      updates: how many; None: those of the recipe.
      watch: called with the updates done.

    Returns:
      The weights.
    """
    rng = np.random.default_rng((seed, 7))
    key = jax.random.key(seed)
    params = self._model.init(key, jnp.zeros((1, *self._shape)))['params']
    opt_state = self._tx.init(params)
    count = round(mixture.fakes * self._recipe.batch_size)
    rows = [np.flatnonzero(real.labels == label) for label in np.unique(real.labels)]
    for number in range(self.updates if updates is None else updates):
      of_real = _rows(rng, rows, len(real.labels), self._recipe.batch_size - count, mixture)
      of_fake = rng.integers(len(fake.labels), size=count) if count else np.zeros(0, int)
      images = np.concatenate([real.images[of_real], fake.images[of_fake]])
      labels = np.concatenate([real.labels[of_real], fake.labels[of_fake]])
      if mixture.flipped:
        mirrored = rng.random(len(images)) < 0.5
        images[mirrored] = images[mirrored, :, ::-1]
      params, opt_state = self._step(
        params, opt_state, jax.random.fold_in(key, number), images, labels
      )
      watch(number + 1)
    return params

  def probabilities(self, params: Any, images: np.ndarray) -> np.ndarray:
    """Of each class, `[N, K]`, for images `[N, H, W, C]`."""
    return np.concatenate(
      [
        np.asarray(self._predict(params, images[start : start + _AT_ONCE]))
        for start in range(0, len(images), _AT_ONCE)
      ]
    )

  def _update(
    self, params: Any, opt_state: Any, key: jax.Array, images: jax.Array, labels: jax.Array
  ) -> Any:
    shown = classifier.distort(self._recipe, key, pixels.to_model(images))

    def loss(params: Any) -> jax.Array:
      _, logits = self._model.apply({'params': params}, shown)
      return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    updates, opt_state = self._tx.update(jax.grad(loss)(params), opt_state)
    return optax.apply_updates(params, updates), opt_state

  def _probabilities(self, params: Any, images: jax.Array) -> jax.Array:
    return jax.nn.softmax(classifier.run(self._model, params, images)[1], axis=-1)


def _rows(
  rng: np.random.Generator, by_class: list[np.ndarray], total: int, count: int, mixture: Mixture
) -> np.ndarray:
  """Rows of the real images of a batch."""
  if not mixture.oversampled:
    return rng.integers(total, size=count)
  labels = rng.integers(len(by_class), size=count)
  return np.array([by_class[label][rng.integers(len(by_class[label]))] for label in labels], int)


def calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
  """Expected calibration error (Guo et al., arXiv:1706.04599, Eq. 3) of `[N, K]` against `[N]`."""
  sure, said = probabilities.max(axis=1), probabilities.argmax(axis=1)
  places = np.minimum((sure * bins).astype(int), bins - 1)
  right = (said == labels).astype(float)
  apart = np.bincount(places, right, bins) - np.bincount(places, sure, bins)
  return float(np.abs(apart).sum() / len(labels))
