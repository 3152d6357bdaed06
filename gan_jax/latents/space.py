"""The spaces in which a generator's latents are moved: z, and w or w+ where there is a mapping.

Points are moved in coordinates of their own, in which the generator's draws of a class have mean 0
and covariance 1: a step is then as long in every direction, measured by what the generator knows.
There the distribution has no preferred direction, only a preferred length: exactly so for z, nearly
for w, of which Wulff and Torralba make a Gaussian prior (arXiv:2009.06529). So a point is kept
typical by its length alone, as on the sphere of PULSE (Menon et al. 2020, arXiv:2003.03808):
`within` brings it between the lengths that nearly all draws have, which moves no draw.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from gan_jax.errors import UserError
from gan_jax.runtime.tree import PyTree
from gan_jax.training import draws

_DRAWS = 10_000  # of which the coordinates are learnt
_DRAWS_OF_A_CLASS = 64  # at least
_OUTSIDE = 1e-3  # share of the draws that are shorter or longer than a point may be
_FLAT = 1e-6  # of the largest variance: directions in which w does not vary


class Coordinates(NamedTuple):
  """Where a generator's points lie: a tree of arrays.

  Attributes:
    mean: of each class, `[max(1, classes), D]`.
    basis: from coordinates to points, `[D, D]`.
    inverse: from points to coordinates, `[D, D]`.
    shortest: length in coordinates, below which 0.05 % of the draws are.
    longest: likewise above.
    typical: the mean length.
  """

  mean: Any
  basis: Any
  inverse: Any
  shortest: Any
  longest: Any
  typical: Any

  def points(self, at: Any, labels: Any) -> jax.Array:
    """Points `[B, rows, D]` of coordinates `[B, rows, D]`."""
    return self.mean[labels][:, None] + at @ self.basis

  def of(self, points: Any, labels: Any) -> jax.Array:
    """Coordinates of points."""
    return (points - self.mean[labels][:, None]) @ self.inverse

  def within(self, at: jax.Array) -> jax.Array:
    """Brings coordinates, row by row, to the nearest length that a draw has."""
    length = jnp.linalg.norm(at, axis=-1, keepdims=True)
    return at * (length.clip(self.shortest, self.longest) / jnp.maximum(length, 1e-12))


class Space(NamedTuple):
  """A generator seen from one of its spaces.

  Attributes:
    name: 'z', 'w' or 'w+'.
    generator: the network; its noise, if any, is the same for all images.
    rows: latents that an image has here: of w+ one for each layer, else 1.
    size: length D of each.
    layers: latents that the synthesis network is given an image, 0: one without an axis for it.
    num_classes: of the generator.
  """

  name: str
  generator: nn.Module
  rows: int
  size: int
  layers: int
  num_classes: int

  @property
  def latent_size(self) -> int:
    """Length of z."""
    return self.generator.latent_size

  def draw(self, variables: PyTree, latents: jax.Array, labels: jax.Array) -> jax.Array:
    """The points `[B, rows, D]` of latents z `[B, z]`."""
    if self.name == 'z':
      return latents[:, None]
    w: Any = self.generator.apply(variables, latents, labels, train=False, method='mapping')
    w = w if self.layers else w[:, None]
    return w if self.name == 'w+' else w[:, :1]

  def images(self, variables: PyTree, points: jax.Array, labels: jax.Array) -> jax.Array:
    """Images `[B, H, W, C]`, about [-1, 1], of points `[B, rows, D]`."""
    if self.name == 'z':
      return self.generator.apply(variables, points[:, 0], labels, train=False)  # type: ignore
    w = self.as_stored(points)
    return self.generator.apply(variables, w, labels, train=False, method='synthesis')  # type: ignore

  def as_stored(self, points: Any) -> Any:
    """Points as files and the generator have them: z `[B, z]`, w `[B, (layers,) D]`."""
    if not self.layers:
      return points[:, 0]
    if points.shape[1] == self.layers:
      return points
    return points.repeat(self.layers, axis=1)

  def from_stored(self, stored: Any) -> Any:
    """Points `[B, rows, D]` of what a file has."""
    if not self.layers:
      return stored[:, None]
    return stored if self.name == 'w+' else stored[:, :1]


def names(generator: nn.Module) -> tuple[str, ...]:
  """The spaces that a generator has, the one to project into last but for w+."""
  if not (hasattr(generator, 'mapping') and hasattr(generator, 'synthesis')):
    return ('z',)
  return ('z', 'w', 'w+') if len(_mapped(generator).shape) == 3 else ('z', 'w')


def default(generator: nn.Module) -> str:
  """The space in which the generator is smoothest: w, or z where there is none."""
  return 'w' if 'w' in names(generator) else 'z'


def open_space(generator: nn.Module, name: str, flag: str = '--space') -> Space:
  """A space by its name; '': the default.

  Raises:
    UserError: for one that the generator does not have.
  """
  accepted = names(generator)
  name = name or default(generator)
  if name not in accepted:
    raise UserError(f'{flag}={name}: accepted of this generator: {", ".join(accepted)}')
  if hasattr(generator, 'fixed_noise'):  # drawn of the bits of z it would jump at every step
    generator = generator.clone(fixed_noise=True)
  classes, size, layers = generator.num_classes, generator.latent_size, 0
  if name != 'z':
    shape = _mapped(generator).shape
    size, layers = shape[-1], shape[1] if len(shape) == 3 else 0
  return Space(name, generator, layers if name == 'w+' else 1, size, layers, classes)


def coordinates(space: Space, variables: PyTree, seed: int = 0) -> Coordinates:
  """Learns the coordinates of a space from the generator's own draws."""
  classes = max(1, space.num_classes)
  count = max(_DRAWS, _DRAWS_OF_A_CLASS * classes)
  labels = np.arange(count, dtype=np.int32) % classes
  key = draws.named(jax.random.key(seed), 'coordinates')

  def draw(variables: PyTree, places: jax.Array, labels: jax.Array) -> jax.Array:
    latents = draws.draw_latents(key, places, space.latent_size)
    return space.draw(variables, latents, labels)[:, 0]

  points = np.asarray(jax.jit(draw)(variables, np.arange(count), labels), np.float64)
  mean = np.zeros((classes, space.size))
  basis = inverse = np.eye(space.size)
  if space.name != 'z':
    np.add.at(mean, labels, points)
    mean /= np.bincount(labels)[:, None]
    within = points - mean[labels]
    variance, axes = np.linalg.eigh(within.T @ within / len(within))
    spread = np.sqrt(variance.clip(0))
    varies = variance > _FLAT * variance.max()
    basis = (axes * np.where(varies, spread, 0)).T
    inverse = axes / np.where(varies, spread, np.inf)
  lengths = np.linalg.norm((points - mean[labels]) @ inverse, axis=1)
  bounds = np.quantile(lengths, [_OUTSIDE / 2, 1 - _OUTSIDE / 2])
  return Coordinates(*(np.float32(x) for x in (mean, basis, inverse, *bounds, lengths.mean())))


def _mapped(generator: nn.Module) -> Any:
  """The shape of w of one image."""

  def w(key: jax.Array) -> jax.Array:
    latents, labels = jnp.zeros((1, generator.latent_size)), jnp.zeros(1, jnp.int32)
    variables = generator.init(key, latents, labels, train=False)
    return generator.apply(variables, latents, labels, train=False, method='mapping')  # type: ignore

  return jax.eval_shape(w, jax.random.key(0))
