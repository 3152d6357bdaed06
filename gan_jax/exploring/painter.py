"""Draws recipes with one generator: latents, or w where there is one, moved, mixed, interpolated.

Where a generator adds noise, it is the same for all pictures: a slider moves what it is to move.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from gan_jax import references
from gan_jax.errors import UserError
from gan_jax.exploring.recipe import GROUPS, Recipe, Source
from gan_jax.exploring.sliders import Sliders
from gan_jax.latents.directions import Directions
from gan_jax.latents.projection import Projector
from gan_jax.sampling.model import Model
from gan_jax.sampling.sampler import slerp

AT_ONCE = 16
"""Pictures in a call of the generator: one program for any number of them, and one for a single."""


class Point(NamedTuple):
  """Where a picture is drawn from.

  Attributes:
    at: float32, z `[z]` or w `[(layers,) w]`.
    weights: of the classes, `[num_classes]`, where it is z of a conditional model; else empty.
  """

  at: np.ndarray
  weights: np.ndarray


class Projected(NamedTuple):
  """An image that was projected.

  Attributes:
    at: z `[z]` or w `[(layers,) w]`.
    label: its class.
    distance: of the image from what was found, as `latents.likeness` has it; NaN where it is not
      known.
  """

  at: np.ndarray
  label: int
  distance: float = math.nan


class Painter:
  """Draws with one model; compiles two programs for each thing that it does."""

  def __init__(self, model: Model, projected: Callable[[str], Projected]):
    """Compiles nothing yet.

    Args:
      model: drawn with.
      projected: finds a projected image by its name, or raises UserError.
    """
    self.model, self.sliders = model, Sliders(model)
    self._projected = projected
    self._latent = functools.lru_cache(1024)(lambda seed: model.latents(1, seed=seed)[0])

  @property
  def has_layers(self) -> bool:
    """Whether layers have styles of their own, to be mixed."""
    return self.model.has_styles and len(self.model.styles_shape) > 1

  def warm(self) -> None:
    """Compiles everything that a picture needs, and finds the directions."""
    classes, move = max(1, self.model.num_classes), self.directions.names[0]
    plain = Recipe(((Source(directions=((move, 1.0),)),),))
    between = Recipe(((Source(),), (Source(label=classes - 1),)), 0.5)
    for recipe in (plain, between):
      self.draw([recipe])
      self.draw([recipe, recipe])

  @property
  def directions(self) -> Directions:
    """Directions that pictures are moved along."""
    return self.sliders.directions

  @functools.cached_property
  def projector(self) -> Projector:
    """Projects images into the latents of the model."""
    return self.model.projector()

  @functools.cached_property
  def references(self) -> tuple[str, np.ndarray]:
    """What distances of projected images are ranked among, in words, and the distances of these."""
    data, _ = references.data_of(self.model)
    found = references.drawn(self.model, data, references.COUNT)
    return found.name, self.projector.project(found.images).distances

  def draw(self, recipes: Sequence[Recipe], of: 'Painter | None' = None) -> np.ndarray:
    """Draws pictures `[N, H, W, C]`.

    Args:
      recipes: of the pictures.
      of: whose directions are meant; None: its own.

    Raises:
      UserError: for what the model does not have.
      NonFiniteError: for pictures with pixels that are not numbers.
    """
    ends = [self._ends(recipe) for recipe in recipes]
    pictures = [frame for frames, _ in ends for frame in frames]
    points = self._pictures(pictures, of or self)
    rows, place = [], 0
    for frames, t in ends:
      rows.append(self._between(points[place : place + len(frames)], t))
      place += len(frames)
    return self._images(rows)

  @staticmethod
  def _ends(recipe: Recipe) -> tuple[tuple[tuple[Source, ...], ...], float]:
    """The one or two keyframes that a picture is at or between, and how far."""
    place = min(int(recipe.at), len(recipe.keyframes) - 1)
    t = recipe.at - place
    return recipe.keyframes[place : place + (2 if t else 1)], t

  def _pictures(self, pictures: Sequence[tuple[Source, ...]], of: 'Painter') -> list[Point]:
    """The point of each keyframe."""
    if any(len(sources) > 1 for sources in pictures) and not self.has_layers:
      raise UserError(f'{self.model.name} has no layers with styles of their own; nothing is mixed')
    sources = list(dict.fromkeys(source for each in pictures for source in each))
    points = dict(zip(sources, self._points(sources, of), strict=True))
    return [self._mixed([points[source] for source in each]) for each in pictures]

  def _mixed(self, points: list[Point]) -> Point:
    if len(points) == 1:
      return points[0]
    parts = [point.at[layers] for point, layers in zip(points, self.layers(), strict=True)]
    return Point(np.concatenate(parts), points[0].weights)

  def layers(self) -> list[np.ndarray]:
    """The layers of each of `GROUPS`."""
    return np.array_split(np.arange(self.model.styles_shape[0]), len(GROUPS))

  def _points(self, sources: list[Source], of: 'Painter') -> list[Point]:
    """Where each source is."""
    model = self.model
    labels = np.array([self._label(source) for source in sources], np.int32)
    shares = np.array([source.truncation for source in sources], np.float32)
    latents = np.stack([self._start(source) for source in sources])
    if model.has_styles:
      at = self._w(sources, latents, labels, shares)
    else:
      at = latents * shares[:, None]
    moved = [point + of.moves(source, point) for point, source in zip(at, sources, strict=True)]
    weights = np.zeros((len(sources), 0), np.float32)
    if model.num_classes and not model.has_styles:
      weights = np.eye(model.num_classes, dtype=np.float32)[labels]
    return [Point(*each) for each in zip(moved, weights, strict=True)]

  def _label(self, source: Source) -> int:
    return source.label if self.model.num_classes else 0

  def _start(self, source: Source) -> np.ndarray:
    """The latent z of a source; of one that was projected into w any."""
    if source.projection and not self.model.has_styles:
      return self._fitting(source)
    return self._latent(source.seed)

  def _fitting(self, source: Source) -> np.ndarray:
    """What was projected, where it is of this model's shape."""
    at, shape = self._projected(source.projection).at, self.shape
    if at.shape != shape:
      raise UserError(
        f'the projected image has a latent of the shape {at.shape}, this model {shape}'
      )
    return at

  @property
  def shape(self) -> tuple[int, ...]:
    """Of a point."""
    return self.model.styles_shape if self.model.has_styles else (self.model.z_dim,)

  def _w(
    self, sources: list[Source], latents: np.ndarray, labels: np.ndarray, shares: np.ndarray
  ) -> np.ndarray:
    """W of sources, `[N, (layers,) w]`."""
    model = self.model
    if not model.has_mean:
      latents, shares = latents * shares[:, None], np.ones_like(shares)
    projected = np.array([bool(source.projection) for source in sources])
    # Of a projected image the mean is asked for, and its own w is put at the share of the way.
    w = self._batched(model.styles, latents, labels, np.where(projected, 0, shares))
    for row in np.flatnonzero(projected):
      own = self._fitting(sources[row])
      w[row] = w[row] + shares[row] * (own - w[row]) if model.has_mean else own
    return w

  def moves(self, source: Source, point: np.ndarray) -> np.ndarray:
    """What the directions of a source add to a point, for all layers alike.

    Raises:
      UserError: for a direction that there is not, or a point of another length.
    """
    total: np.ndarray = np.zeros(point.shape[-1:], np.float32)
    for name, strength in source.directions:
      vector = self.directions.vector(name, 'direction')
      if vector.shape != total.shape:
        raise UserError(
          f'directions of {self.model.workdir} have the length {len(vector)}, latents of the other '
          f'model {len(total)}'
        )
      total = total + np.float32(strength) * vector
    return total

  def _between(self, ends: list[Point], t: float) -> Point:
    """A point on the way: straight in w, along the arc in z."""
    if len(ends) == 1:
      return ends[0]
    (a, of_a), (b, of_b) = ends
    share = np.float32(t)
    if self.model.has_styles or not (a.any() and b.any()):
      at = a + share * (b - a)
    else:
      at = np.asarray(slerp(jnp.asarray(a)[None], jnp.asarray(b)[None], jnp.full(1, share)))[0]
    return Point(at, of_a + share * (of_b - of_a))

  def _images(self, points: list[Point]) -> np.ndarray:
    at = np.stack([point.at for point in points]).astype(np.float32)
    if self.model.has_styles:
      return self._batched(self.model.images_of_styles, at)
    weights = np.stack([point.weights for point in points])
    draw = functools.partial(self.model.images, fixed_noise=True)
    if not weights.shape[1]:
      return self._batched(draw, at, np.zeros(len(at), np.int32))
    labels = weights.argmax(axis=1).astype(np.int32)
    if (weights.max(axis=1) == 1).all():  # classes themselves, as training knows them
      return self._batched(draw, at, labels)
    return self._batched(draw, at, weights)

  @staticmethod
  def _batched(function: Callable[..., Any], *rows: np.ndarray) -> np.ndarray:
    """Calls a function of rows with one row, or with as many as whole batches have."""
    count = len(rows[0])
    fill = 0 if count == 1 else -count % AT_ONCE
    filled = [np.concatenate([row, row[:1].repeat(fill, axis=0)]) for row in rows]
    return np.array(function(*filled)[:count])
