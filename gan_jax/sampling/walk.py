"""Walks from keyframe to keyframe, in z along arcs, in w along straight lines."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from gan_jax.errors import UserError, nearest
from gan_jax.sampling.model import Model
from gan_jax.sampling.sampler import slerp

EASINGS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
  'linear': lambda t: t,
  'sine': lambda t: (1 - np.cos(np.pi * t)) / 2,  # slows down at keyframes
  'cubic': lambda t: t * t * (3 - 2 * t),
}
MOST_FRAMES = 100_000


class Keyframes(NamedTuple):
  """What a walk goes through.

  Attributes:
    points: latents `[K, z]`, or w `[K, (L,) w]`.
    weights: of the classes at each, float32 `[K, num_classes]`, or None; w holds its class itself.
    in_w: whether the points are w.
  """

  points: np.ndarray
  weights: np.ndarray | None = None
  in_w: bool = False


def keyframes(
  model: Model,
  latents: np.ndarray,
  labels: np.ndarray | Sequence[int] | None = None,
  space: str | None = None,
  truncation: float = 1.0,
) -> Keyframes:
  """Makes keyframes of latents.

  Args:
    model: whose latents they are.
    latents: `[K, z]`.
    labels: `[K]`, or weights `[K, num_classes]`; None: the classes in turn.
    space: 'w' or 'z'; None: w where there is one.
    truncation: of w, where the walk is there.

  Raises:
    UserError: for another space, w where there is none, or arrays that do not fit.
  """
  latents, labels, _ = model.rows(latents, labels, truncation)
  if goes_in_w(model, space):
    return Keyframes(model.styles(latents, labels, truncation), in_w=True)
  if not model.num_classes:
    return Keyframes(latents)
  one_hot = np.eye(model.num_classes, dtype=np.float32)
  return Keyframes(latents, labels if labels.ndim == 2 else one_hot[labels])


def goes_in_w(model: Model, space: str | None) -> bool:
  """Whether a walk is one of w; see `keyframes`."""
  if space not in (None, 'z', 'w'):
    raise UserError(f'--space={space}: accepted: z, w')
  return space == 'w' or (space is None and model.has_styles)


def times(count: int, frames: int, loop: bool, easing: str = 'linear') -> np.ndarray:
  """Where each frame is, `[F]`: k + t, t of the way from keyframe k to the next.

  Args:
    count: keyframes, at least 2.
    frames: from one keyframe to the next.
    loop: go back to the first keyframe, whose frame would be the next after the last.
    easing: of `EASINGS`.

  Returns:
    `count * frames` places of a loop, else `(count - 1) * frames + 1`; every `frames`-th is a
    keyframe.

  Raises:
    UserError: for numbers out of range or another easing.
  """
  if count < 2:
    raise UserError(
      f'{count} keyframe: a walk needs two; accepted: several seeds, classes, latents'
    )
  if frames < 1 or frames * count > MOST_FRAMES:
    raise UserError(
      f'--frames={frames}: accepted: 1 to {MOST_FRAMES // count:,}, from one keyframe to the next'
    )
  if easing not in EASINGS:
    raise UserError(f'--easing={easing}: {nearest(easing, EASINGS)}')
  number = np.arange(count * frames if loop else (count - 1) * frames + 1)
  return number // frames + EASINGS[easing](number % frames / frames)


def along(points: np.ndarray, at: np.ndarray, arc: bool) -> np.ndarray:
  """The points of a walk through `[K, ...]` at places `[F]` of `times`, float32 `[F, ...]`.

  At a whole number it is the keyframe itself, bit for bit.

  Args:
    points: the keyframes; the first one follows the last.
    at: places, 0 to K.
    arc: go along arcs (spherical interpolation), not straight lines.
  """
  points = np.asarray(points, np.float32)
  before = np.floor(at).astype(int)
  t = (at - before).astype(np.float32)
  start, end = points[before % len(points)], points[(before + 1) % len(points)]
  share = t.reshape(-1, *[1] * (points.ndim - 1))
  moved = np.asarray(slerp(start, end, t)) if arc else (1 - share) * start + share * end
  return np.where(share == 0, start, moved)


def walk(
  model: Model, keys: Keyframes, at: np.ndarray, truncation: float = 1.0
) -> Iterator[np.ndarray]:
  """Yields the images of a walk, `[H, W, C]` each, with the same noise in all of them.

  Args:
    model: that makes them.
    keys: that the walk goes through.
    at: where each image is, of `times`.
    truncation: of latents; w is truncated already.
  """
  points = along(keys.points, at, arc=not keys.in_w)
  if keys.in_w:
    batches = model.batches_of_styles(points)
  else:
    labels = None if keys.weights is None else along(keys.weights, at, arc=False)
    batches = model.batches(points, labels, truncation=truncation, fixed_noise=True)
  return (image for batch in batches for image in batch)
