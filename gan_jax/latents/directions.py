"""Directions to move latents along, found without labels or with them.

- `components`: principal components of the first response (GANSpace, arXiv:2004.02546).
- `weights`: what the first layers' weights enlarge most, in closed form (SeFa, Shen and Zhou 2021,
  arXiv:2007.06600).
- `separating`: normals between latents whose images have an attribute and those that have not
  (InterFaceGAN, Shen et al. 2020, arXiv:1907.10786).
- `between_classes`: from the mean of all w to that of a class.

A strength of 1 is one standard deviation of what the generator's draws have along a direction.
Where the first layer is affine in z, as of most without a mapping, `components` of it and `weights`
of it are the same directions; other layers that see z have a part in `weights` alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.sparse import linalg

from gan_jax.errors import UserError
from gan_jax.latents import responses
from gan_jax.latents.space import Coordinates, Space
from gan_jax.runtime.tree import PyTree
from gan_jax.training import draws

_DRAWS = 2_000  # at least, and eight for each number of a latent
_AT_ONCE = 50
_FOR_WEIGHTS = 16  # points at which an answer's slope is taken: for an affine layer one is enough


class Directions(NamedTuple):
  """Directions in one space.

  Attributes:
    space: 'z' or 'w'; those in w move w+ as well.
    names: of each.
    vectors: `[n, D]`, each a standard deviation long.
    shares: of each, `[n]`: of the response's variance, of the squared weights, or how well a
      predictor's answers are told apart; NaN where there is none.
  """

  space: str
  names: tuple[str, ...]
  vectors: np.ndarray
  shares: np.ndarray

  def __add__(self, other: 'Directions') -> 'Directions':  # type: ignore[override]
    """Both, one after the other."""
    assert self.space == other.space
    return Directions(
      self.space,
      self.names + other.names,
      np.concatenate([self.vectors, other.vectors]),
      np.concatenate([self.shares, other.shares]),
    )

  def vector(self, name: str, flag: str = '--move') -> np.ndarray:
    """The vector of a direction by its name.

    Raises:
      UserError: where there is none.
    """
    if name not in self.names:
      raise UserError(f'{flag}={name}: unknown; accepted: {", ".join(self.names)}')
    return self.vectors[self.names.index(name)]


class Draws(NamedTuple):
  """Points of a space that the generator draws: `[N, rows, D]`, with z `[N, z]` and labels."""

  points: np.ndarray
  latents: np.ndarray
  labels: np.ndarray


def draw(space: Space, variables: PyTree, count: int = 0, seed: int = 0) -> Draws:
  """Draws points; 0: as many as directions are found of."""
  count = count or max(_DRAWS, 8 * space.size)
  key = draws.named(jax.random.key(seed), 'directions')
  latents = np.asarray(draws.draw_latents(key, jnp.arange(count), space.latent_size))
  labels = np.arange(count, dtype=np.int32) % max(1, space.num_classes)
  points = np.asarray(jax.jit(space.draw)(variables, latents, labels))
  return Draws(points, latents, labels)


def moved(
  stored: np.ndarray, vector: np.ndarray, strength: float, layers: slice = slice(None)
) -> np.ndarray:
  """Moves latents as they are stored, z or w `[N, D]`, or w `[N, L, D]` in some of its layers."""
  if stored.ndim == 2:
    return stored + np.float32(strength) * vector
  result = stored.copy()
  result[:, layers] += np.float32(strength) * vector
  return result


def components(
  space: Space, variables: PyTree, coordinates: Coordinates, count: int, seed: int = 0
) -> Directions:
  """Principal components of the first response within classes, brought back to the latents.

  Of a response that is no latent, direction k is the least squares fit of latents to scores on
  component k (GANSpace, Eq. 2).

  Args:
    space: of the generator, 'z' without a mapping, else 'w'.
    variables: the generator's.
    coordinates: of the space.
    count: of directions.
    seed: of the draws.
  """
  drawn = draw(space, variables, seed=seed)
  answer = jax.jit(lambda v, points, labels: responses.first(space, v, points, labels))
  parts = [
    np.asarray(answer(variables, drawn.points[n : n + _AT_ONCE], drawn.labels[n : n + _AT_ONCE]))
    for n in range(0, len(drawn.labels), _AT_ONCE)
  ]
  centred = _within_classes(np.concatenate(parts).astype(np.float64), drawn.labels)
  count = min(count, space.size, min(centred.shape) - 1)
  start = np.ones(min(centred.shape))
  left, singular, _ = linalg.svds(centred, k=count, v0=start)
  order = np.argsort(-singular)
  scores = left[:, order]  # of unit length: their scale has no part in a direction
  latents = _within_classes(drawn.points[:, 0].astype(np.float64), drawn.labels)
  vectors = scores.T @ latents
  shares = np.square(singular[order]) / np.square(centred).sum()
  names = tuple(f'component{number}' for number in range(1, count + 1))
  return Directions(space.name, names, _scaled(_signed(vectors), coordinates), shares)


def weights(
  space: Space, variables: PyTree, coordinates: Coordinates, count: int, seed: int = 0
) -> Directions:
  """Eigenvectors of AᵀA, A being all weights that see the latents (SeFa, Eq. 5).

  A is the slope of the responses at some draws: the weights themselves, with whatever normalises
  them, where layers see latents as they are.

  Args:
    space: as of `components`, as all that follow.
    variables: likewise.
    coordinates: likewise.
    count: likewise.
    seed: likewise.
  """
  drawn = draw(space, variables, _FOR_WEIGHTS, seed)

  def products(variables: PyTree, point: jax.Array, label: jax.Array) -> jax.Array:
    answer = lambda point: responses.of_vectors(space, variables, point[None, None], label[None])[0]
    slope = jax.jacfwd(answer)(point)
    return slope.T @ slope

  run = jax.jit(products)
  at = zip(drawn.points[:, 0], drawn.labels, strict=True)
  total = np.mean([np.asarray(run(variables, *one), np.float64) for one in at], axis=0)
  values, axes = np.linalg.eigh(total)
  count = min(count, space.size)
  order = np.argsort(-values)[:count]
  names = tuple(f'weight{number}' for number in range(1, count + 1))
  shares = values[order] / values.sum()
  return Directions(space.name, names, _scaled(_signed(axes[:, order].T), coordinates), shares)


def separating(
  space: Space,
  coordinates: Coordinates,
  drawn: Draws,
  answers: Mapping[str, np.ndarray],
) -> Directions:
  """Normals of logistic regressions of a predictor's answers on the latents.

  Latents are taken in coordinates, and the classes have an offset each, so that an attribute is not
  mistaken for the class that it is frequent in. The share is that of draws on their right side.

  Args:
    space: of the generator.
    coordinates: of the space.
    drawn: latents.
    answers: by name, numbers `[N]`, the greater the more of it an image has; the upper half is told
      from the lower.
  """
  from sklearn.linear_model import LogisticRegression  # takes a second to import

  at = np.asarray(coordinates.of(drawn.points[:, :1], drawn.labels))[:, 0].astype(np.float64)
  offsets = np.eye(max(1, space.num_classes))[drawn.labels][:, 1:]
  vectors, shares = [], []
  for answer in answers.values():
    more = answer > np.median(answer)
    if more.all() or not more.any():
      vectors.append(np.zeros(space.size))
      shares.append(np.nan)
      continue
    seen = np.concatenate([at, offsets], axis=1)
    model = LogisticRegression(max_iter=1000).fit(seen, more)
    vectors.append(model.coef_[0, : space.size] @ coordinates.basis)
    shares.append(model.score(seen, more))
  return Directions(
    space.name, tuple(answers), _scaled(np.array(vectors), coordinates), np.array(shares)
  )


def between_classes(
  space: Space, coordinates: Coordinates, class_names: Sequence[str]
) -> Directions:
  """From the mean of w to the means of the classes of a conditional generator."""
  means = np.asarray(coordinates.mean, np.float64)
  vectors = means - means.mean(axis=0)
  names = tuple(f'class={name}' for name in class_names or range(len(means)))
  return Directions(space.name, names, vectors.astype(np.float32), np.full(len(names), np.nan))


def _within_classes(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
  """Values `[N, D]` less the mean of their class."""
  means = np.zeros((labels.max() + 1, values.shape[1]))
  np.add.at(means, labels, values)
  return values - (means / np.bincount(labels)[:, None])[labels]


def _scaled(vectors: np.ndarray, coordinates: Coordinates) -> np.ndarray:
  """Vectors `[n, D]` as long as the draws' deviation along them."""
  basis = np.asarray(coordinates.basis, np.float64)
  unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-30)
  return (unit * np.linalg.norm(unit @ basis.T, axis=1, keepdims=True)).astype(np.float32)


def _signed(vectors: np.ndarray) -> np.ndarray:
  """Vectors `[n, D]` whose sign says nothing, with the largest number positive."""
  largest: Any = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=1)[:, None], axis=1)
  return vectors * np.where(largest < 0, -1, 1)
