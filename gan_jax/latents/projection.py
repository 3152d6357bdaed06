"""Finds latents whose images are like given ones: many draws first, then gradients from the best.

    draws ─▶ the nearest to each image ─▶ a few steps of each ─▶ the best of these ─▶ many steps

StyleGAN2's projector (arXiv:1912.04958, Appendix D) starts at the mean of w and adds noise, less
and less, to get past bad minima; here starts are many instead, the same for every architecture.
The rate follows its schedule: a short rise, and half a cosine at the end. What keeps latents
typical is in `space`: no term of the loss, so that a generated image is found as it was.

All images of a call go through the same two compiled programs, batch by batch.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from gan_jax.latents.likeness import Likeness
from gan_jax.latents.space import Coordinates, Space
from gan_jax.ops import pixels
from gan_jax.runtime import parallel
from gan_jax.runtime.tree import PyTree
from gan_jax.training import draws

_BYTES_AT_ONCE = 2**24  # of images as floats, that gradients are taken of at once
_MOST_AT_ONCE = 200  # images
_FILMED = 16  # images whose way is kept


Watch = Callable[[str, int, int], None]


class Settings(NamedTuple):
  """How long is searched.

  Attributes:
    candidates: latents drawn, whose images are compared with those to be found.
    starts: of them, the nearest ones of each image, that gradients start from.
    short_steps: from every start.
    kept: the best then.
    steps: from each of these.
    learning_rate: of Adam, in standard deviations of the latents.
    seed: of the draws.
    way: points kept of each descent, beside where it begins and ends; 0: none at all.
  """

  candidates: int = 4_000
  starts: int = 8
  short_steps: int = 40
  kept: int = 2
  steps: int = 200
  learning_rate: float = 0.1
  seed: int = 0
  way: int = 0


class Projections(NamedTuple):
  """What was found of N images.

  Attributes:
    latents: as files have them: z `[N, z]`, or w `[N, (layers,) D]`.
    labels: int32 `[N]`, given or found.
    images: of the latents, as the generator draws them, `[N, H, W, C]`.
    pixel_errors: mean squared differences as shares of the data's variance, `[N]`.
    distances: what was made small, `[N]`; see `likeness`.
    lengths: of the latents as shares of the mean length of draws, `[N]`.
    way: images of the descents to each of the first images, `[n, T, H, W, C]`, or None.
  """

  latents: np.ndarray
  labels: np.ndarray
  images: np.ndarray
  pixel_errors: np.ndarray
  distances: np.ndarray
  lengths: np.ndarray
  way: np.ndarray | None = None


class _Found(NamedTuple):
  """k points of each image, `[N, k, rows, D]`, their labels and distances `[N, k]`.

  Attributes:
    way: to each point, `[N, k, T, rows, D]`; T may be 0.
  """

  at: np.ndarray
  labels: np.ndarray
  distances: np.ndarray
  way: np.ndarray


class _Pool(NamedTuple):
  """Candidates: coordinates `[P, rows, D]`, labels `[P]` and vectors `[P, F]`."""

  at: np.ndarray
  labels: np.ndarray
  vectors: np.ndarray


class Projector:
  """Projects images into the latents of one generator.

  Attributes:
    space: into which.
    likeness: what images are compared by.
  """

  def __init__(
    self,
    space: Space,
    variables: PyTree,
    coordinates: Coordinates,
    likeness: Likeness,
    dtype: np.dtype,
    settings: Settings = Settings(),  # noqa: B008 - never changed
  ):
    """Compiles nothing yet.

    Args:
      space: into which.
      variables: the generator's, on the host.
      coordinates: of the space.
      likeness: what images are compared by.
      dtype: of the generator's images, uint8 or uint16.
      settings: how long is searched.
    """
    self.space, self.likeness, self._settings, self._dtype = space, likeness, settings, dtype
    self._coordinates = coordinates
    self._arrays = parallel.replicate((variables, coordinates, likeness.arrays))
    shape = jax.eval_shape(
      lambda v: space.images(v, jnp.zeros((1, space.rows, space.size)), jnp.zeros(1, jnp.int32)),
      variables,
    ).shape
    most = max(1, min(_MOST_AT_ONCE, _BYTES_AT_ONCE // (4 * int(np.prod(shape[1:])))))
    self._functions: dict[str, tuple[Callable[..., Any], int]] = {
      'vectors': (self._vectors_of, most),
      'candidates': (self._candidate, most),
      'images': (self._image, most),
      'short': (self._descent(settings.short_steps, settings.way), -(-most // settings.starts)),
      'long': (self._descent(settings.steps, settings.way), -(-most // settings.kept)),
    }
    self._programs: dict[tuple[str, int], Callable[..., Any]] = {}
    self._pools: dict[tuple[int, ...], _Pool] = {}

  def project(
    self,
    images: np.ndarray,
    labels: np.ndarray | None = None,
    watch: Watch = lambda what, done, total: None,
    film: bool = True,
  ) -> Projections:
    """Finds latents of images.

    Args:
      images: `[N, H, W, C]` of the generator's size and type.
      labels: their classes, `[N]`; None: of a conditional generator they are found.
      watch: called with what is done, images done and their number.
      film: keep the way, where the settings ask for it.
    """
    vectors = np.concatenate(list(self._run('vectors', images)))
    kept, film = self._settings.kept, film and self._settings.way > 0
    found = self._starts(vectors, labels)
    found = self._refined('short', vectors, found, kept, 'searching', watch, film)
    found = self._refined('long', vectors, found, 1, 'projecting', watch, film)
    return self._result(images, found, film)

  def _refined(
    self,
    way: str,
    vectors: np.ndarray,
    starts: _Found,
    keep: int,
    what: str,
    watch: Watch,
    film: bool,
  ) -> _Found:
    """Descends from all starts; the best few of each image, best first, with their ways or none."""
    parts, done = [], 0
    watch(what, 0, len(vectors))
    for part in self._run(way, vectors, starts.at, starts.labels):
      parts.append(part)
      done += len(part[0])
      watch(what, done, len(vectors))
    at, distances, *ways = (np.concatenate(part) for part in zip(*parts, strict=True))
    passed = np.concatenate([starts.way, *(ways if film else [])], axis=2)
    found = _Found(at, starts.labels, distances, passed)
    best = np.argsort(found.distances, axis=1, kind='stable')[:, :keep]
    rows = np.arange(len(best))[:, None]
    return _Found(*(x[rows, best] for x in found))

  def _result(self, images: np.ndarray, found: _Found, film: bool) -> Projections:
    at, labels, distances, way = (x[:, 0] for x in found)
    coordinates = self._coordinates
    points = np.asarray(coordinates.points(at, labels))
    drawn = np.concatenate(list(self._run('images', points, labels)))
    lengths = np.linalg.norm(at, axis=-1).mean(axis=1)
    return Projections(
      np.asarray(self.space.as_stored(points)),
      labels,
      drawn,
      self.likeness.pixel_errors(images, drawn),
      distances,
      lengths / coordinates.typical,
      self._filmed(way[:_FILMED], labels[:_FILMED]) if film else None,
    )

  def _filmed(self, way: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Images along ways `[n, T, rows, D]`, `[n, T, H, W, C]`."""
    n, T = way.shape[:2]
    classes = labels.repeat(T)
    points = self._coordinates.points(way.reshape(n * T, *way.shape[2:]), classes)
    images = np.concatenate(list(self._run('images', np.asarray(points), classes)))
    return images.reshape(n, T, *images.shape[1:])

  def _starts(self, vectors: np.ndarray, labels: np.ndarray | None) -> _Found:
    """The candidates that are nearest to each image, at most half of them of one class."""
    classes = max(1, self.space.num_classes)
    asked = np.arange(classes) if labels is None or classes == 1 else np.unique(labels)
    pool, k = self._pool(tuple(asked.tolist())), self._settings.starts
    squares = np.square(pool.vectors).sum(axis=1)
    chosen = np.empty((len(vectors), k), np.int64)
    searched = len(asked) > 1 and labels is None
    for row, vector in enumerate(vectors):
      distance = squares - 2 * (pool.vectors @ vector)
      if labels is not None and classes > 1:
        distance = np.where(pool.labels == labels[row], distance, np.inf)
      order = np.argsort(distance, kind='stable')
      if searched:
        order = order[_at_most(pool.labels[order], -(-k // 2), k)]
      chosen[row] = order[:k]
    at = pool.at[chosen]
    return _Found(at, pool.labels[chosen], np.full(chosen.shape, np.inf), at[:, :, None][:, :, :0])

  def _pool(self, classes: tuple[int, ...]) -> _Pool:
    """Candidates of some classes, in turn; made once."""
    if classes not in self._pools:
      each = max(-(-self._settings.candidates // len(classes)), self._settings.starts)
      labels = np.tile(np.array(classes, np.int32), each)
      places = np.arange(len(labels), dtype=np.int32)
      parts = list(self._run('candidates', places, labels))
      at, vectors = (np.concatenate(part) for part in zip(*parts, strict=True))
      self._pools[classes] = _Pool(at, labels, vectors)
    return self._pools[classes]

  def _run(self, name: str, *rows: np.ndarray) -> Iterator[Any]:
    """Runs a program over rows, in batches of the power of two from their number on, to a bound."""
    function, most = self._functions[name]
    size = min(most, 1 << (len(rows[0]) - 1).bit_length())
    if (name, size) not in self._programs:
      self._programs[name, size] = parallel.map_batches(function, size)
    return self._programs[name, size](self._arrays, *rows)

  def _vectors_of(self, arrays: PyTree, images: jax.Array) -> jax.Array:
    return self.likeness.vectors(arrays[2], pixels.to_model(images))

  def _candidate(self, arrays: PyTree, places: jax.Array, labels: jax.Array) -> Any:
    variables, coordinates, of_likeness = arrays
    key = draws.named(jax.random.key(self._settings.seed), 'candidates')
    latents = draws.draw_latents(key, places, self.space.latent_size)
    points = self.space.draw(variables, latents, labels)
    images = self.space.images(variables, points, labels)
    return coordinates.of(points, labels), self.likeness.vectors(of_likeness, images)

  def _image(self, arrays: PyTree, points: jax.Array, labels: jax.Array) -> jax.Array:
    images = self.space.images(arrays[0], points, labels)
    return pixels.from_model(images, self._dtype)

  def _descent(self, steps: int, way: int) -> Callable[..., tuple[jax.Array, ...]]:
    """Adam from starts `[B, k, rows, D]` of targets `[B, F]`; where they end, distances, the way.

    Args:
      steps: of Adam.
      way: points of the way that are returned, evenly spaced, beside both ends; 0: none.
    """
    rate = optax.schedules.warmup_cosine_decay_schedule(
      0.0, self._settings.learning_rate, max(1, steps // 20), max(2, steps)
    )
    tx = optax.adam(rate, b1=0.9, b2=0.99)

    def run(
      arrays: PyTree, targets: jax.Array, at: jax.Array, labels: jax.Array
    ) -> tuple[jax.Array, ...]:
      variables, coordinates, of_likeness = arrays
      B, k = labels.shape
      flat, classes = at.reshape(B * k, *at.shape[2:]), labels.reshape(-1)
      wanted = targets.repeat(k, axis=0)

      def distance(flat: jax.Array) -> jax.Array:
        images = self.space.images(variables, coordinates.points(flat, classes), classes)
        return jnp.square(self.likeness.vectors(of_likeness, images) - wanted).sum(axis=1)

      def step(carry: Any, _: None) -> tuple[Any, None]:
        flat, state = carry
        gradient = jax.grad(lambda flat: distance(flat).sum())(flat)
        updates, state = tx.update(gradient, state)
        return (coordinates.within(optax.apply_updates(flat, updates)), state), None

      def stretch(carry: Any, length: int) -> Any:
        return jax.lax.scan(step, carry, None, length)[0]

      def kept_stretch(carry: Any, _: None) -> tuple[Any, jax.Array]:
        carry = stretch(carry, steps // way)
        return carry, carry[0]

      begin = coordinates.within(flat)
      carry, between = (begin, tx.init(begin)), []
      if way:
        carry, points = jax.lax.scan(kept_stretch, carry, None, way)
        between = [begin[None], points]
      end, _ = stretch(carry, steps % way if way else steps)
      found = end.reshape(at.shape), distance(end).reshape(B, k)
      if not way:
        return found
      passed = jnp.concatenate([*between, end[None]])
      return *found, jnp.moveaxis(passed, 0, 1).reshape(B, k, len(passed), *at.shape[2:])

    return run


def _at_most(labels: np.ndarray, most: int, count: int) -> np.ndarray:
  """Places of the first `count` labels of which none is there more than so often."""
  seen: dict[int, int] = {}
  places: list[int] = []
  for place, label in enumerate(labels.tolist()):
    seen[label] = seen.get(label, 0) + 1
    if seen[label] <= most:
      places.append(place)
    if len(places) == count:
      break
  return np.array(places)
