"""DiffAugment (Zhao et al. 2020, arXiv:2006.10738): colour, translation, cutout.

Colour is of the first three channels, and of grey; saturation leaves grey as it is. Translation and
cutout are of all channels: what they uncover is mid-grey as published, 0, and transparent, −1, in a
fourth channel, so that nothing is shown there that was not in the picture.
"""

import dataclasses
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from gan_jax.errors import UserError, nearest


@dataclasses.dataclass(frozen=True)
class Settings:
  """Settings of DiffAugment.

  Attributes:
    policy: groups of operations, with commas between, in the order in which they are done: color,
      translation, cutout.
    brightness: most that is added to an image, on the scale of [−1, 1].
    saturation: most by which the factor on the distance from grey differs from 1.
    contrast: most by which the factor on the distance from the image's mean differs from 1.
    translation: longest shift, as a share of the side.
    cutout: side of the rectangle that is cut out, as a share of the image's.
  """

  policy: str = 'color,translation,cutout'
  brightness: float = 0.5
  saturation: float = 1.0
  contrast: float = 0.5
  translation: float = 0.125
  cutout: float = 0.5


def augment(
  keys: jax.Array, images: jax.Array, strength: jax.Array, settings: Settings
) -> jax.Array:
  """Does each group of the policy to each image with the strength as probability.

  Args:
    keys: one an image, `[B]`.
    images: `[B, H, W, C]` in [−1, 1]; the result is not clipped.
    strength: probability of each group, 0 to 1.
    settings: see `Settings`.
  """
  names = policy(settings)
  fire, draw = draw_keys(keys, names)
  fires = jax.vmap(jax.vmap(jax.random.uniform))(fire) < strength
  for place, name in enumerate(names):
    changed = _GROUPS[name](draw[place], images, settings)
    images = jnp.where(fires[place, :, None, None, None], changed.astype(images.dtype), images)
  return images


def policy(settings: Settings) -> list[str]:
  """The names of a policy's groups, in order."""
  return [name.strip() for name in settings.policy.split(',') if name.strip()]


def draw_keys(keys: jax.Array, names: Sequence[str]) -> tuple[jax.Array, jax.Array]:
  """Keys of whether groups are done to each image, and of what they draw, `[groups, B]` each.

  Of all groups at once: each derivation of its own is a loop more to compile.
  """
  numbers = jnp.array([_NUMBERS[name] for name in names])
  pair = lambda number, key: jax.random.split(jax.random.fold_in(key, number))
  both = jax.vmap(jax.vmap(pair, (None, 0)), (0, None))(numbers, keys)
  fire, draw = jnp.moveaxis(both, 2, 0)
  return fire, draw


def color(keys: jax.Array, images: jax.Array, settings: Settings) -> jax.Array:
  """Brightness, saturation and contrast, by draws of each image."""
  b, s, c = draw_color(keys, settings)
  colour, alpha = images[..., :3], images[..., 3:]
  colour = colour + b
  if images.shape[-1] > 1:
    grey = colour.mean(axis=3, keepdims=True)
    colour = (colour - grey) * s + grey
  mean = colour.mean(axis=(1, 2, 3), keepdims=True)
  return jnp.concatenate([(colour - mean) * c + mean, alpha], axis=3)


def translation(keys: jax.Array, images: jax.Array, settings: Settings) -> jax.Array:
  """A shift by whole pixels, by draws of each image."""
  H, W = images.shape[1:3]
  down, right = draw_translation(keys, (H, W), settings)
  # As products with matrices that pick rows and columns: a gather would have a scatter as its
  # derivative, which the CPU is slow at. In full precision: GPU and TPU would round the pixels.
  rows, columns = _shift(down, H, images.dtype), _shift(right, W, images.dtype)
  exact = jax.lax.Precision.HIGHEST
  moved = jnp.einsum('bih,bhwc->biwc', rows, images, precision=exact)
  moved = jnp.einsum('bjw,biwc->bijc', columns, moved, precision=exact)
  inside = rows.sum(axis=2)[:, :, None, None] * columns.sum(axis=2)[:, None, :, None]
  return moved + (1 - inside) * _uncovered(images)


def cutout(keys: jax.Array, images: jax.Array, settings: Settings) -> jax.Array:
  """Cuts a rectangle out, clipped at the border, by draws of each image."""
  H, W = images.shape[1:3]
  starts = draw_cutout(keys, (H, W), settings)
  cut = jnp.ones((1, 1, 1, 1), bool)
  for axis, (start, side) in enumerate(zip(starts, (H, W), strict=True)):
    place = jnp.arange(side) - start[:, None]
    shape = [len(keys), 1, 1, 1]
    shape[1 + axis] = side
    cut &= ((place >= 0) & (place < length(side, settings.cutout))).reshape(shape)
  return jnp.where(cut, _uncovered(images), images)


def draw_color(keys: jax.Array, settings: Settings) -> tuple[jax.Array, jax.Array, jax.Array]:
  """Added brightness, factor of saturation, factor of contrast, `[B, 1, 1, 1]` each."""
  u = jax.vmap(lambda key: jax.random.uniform(key, (3,), minval=-1.0, maxval=1.0))(keys)
  widths = jnp.array([settings.brightness, settings.saturation, settings.contrast])
  b, s, c = (u * widths + jnp.array([0.0, 1.0, 1.0])).T[..., None, None, None]
  return b, s, c


def draw_translation(
  keys: jax.Array, size: tuple[int, int], settings: Settings
) -> tuple[jax.Array, jax.Array]:
  """Shifts down and to the right in pixels, each evenly from −k to k, int32 `[B]` each."""
  most = jnp.array([length(side, settings.translation) for side in size])
  draw = lambda key: jax.random.randint(key, (2,), -most, most + 1)
  down, right = jax.vmap(draw)(keys).T
  return down, right


def draw_cutout(
  keys: jax.Array, size: tuple[int, int], settings: Settings
) -> tuple[jax.Array, jax.Array]:
  """Top and left of the rectangle, which may lie outside, int32 `[B]` each.

  Its middle is anywhere in the image, border included: evenly among side + 1 places for an
  even rectangle, side places for an odd one.
  """
  lengths = [length(side, settings.cutout) for side in size]
  ends = jnp.array([side + 1 - n % 2 for side, n in zip(size, lengths, strict=True)])
  halves = jnp.array([n // 2 for n in lengths])
  draw = lambda key: jax.random.randint(key, (2,), 0, ends) - halves
  top, left = jax.vmap(draw)(keys).T
  return top, left


def length(side: int, share: float) -> int:
  """A share of a side in whole pixels, halves upwards."""
  return int(side * share + 0.5)


def check(settings: Settings, channels: int) -> None:
  """Raises UserError for an unknown or repeated group, for none, or a size out of range."""
  del channels
  names = policy(settings)
  for name in names or ['']:
    if name not in _GROUPS:
      raise UserError(f'config.diffaugment.policy={settings.policy!r}: {nearest(name, _GROUPS)}')
    # A group's draws follow from its name: done again, it would do the same.
    if names.count(name) > 1:
      raise UserError(
        f'config.diffaugment.policy={settings.policy!r}: {name} is there twice; accepted: each once'
      )
  for name in ('brightness', 'saturation', 'contrast', 'translation', 'cutout'):
    value, most = getattr(settings, name), 1.0
    if not 0 <= value <= most:
      raise UserError(f'config.diffaugment.{name}={value}: accepted: 0 to {most:g}')


def _shift(shifts: jax.Array, side: int, dtype: jnp.dtype) -> jax.Array:
  """Matrices `[B, side, side]` whose row i picks place i − shift, if it is inside."""
  places = jnp.arange(side)
  return (places[None, :, None] - shifts[:, None, None] == places).astype(dtype)


def _uncovered(images: jax.Array) -> jax.Array:
  """The value of each channel where there is no image, `[C]`."""
  return jnp.array([0.0, 0.0, 0.0, -1.0][: images.shape[-1]], images.dtype)


_GROUPS: dict[str, Callable[[jax.Array, jax.Array, Settings], jax.Array]] = {
  'color': color,
  'translation': translation,
  'cutout': cutout,
}
_NUMBERS = {name: number for number, name in enumerate(_GROUPS)}
