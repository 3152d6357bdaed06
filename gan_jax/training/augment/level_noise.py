"""Noise by level on images at several levels (GAT, arXiv:2509.24935: multi-level noise guidance).

The first level is nearly noise, the last nearly the image, so that the discriminator asks of each
level no more than it can show. Noises of the levels are one chain: what is added to a level is what
is added to the next one, faded, and some more.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp

from gan_jax.errors import UserError

WHOLE_TREE = True


@dataclasses.dataclass(frozen=True)
class Settings:
  """Settings of noise by level.

  Attributes:
    least: share of the image that the first level keeps, as the levels' are in geometric steps up
      to 1.
    floor: share of noise that is added to that of every level, the last one's as well.
  """

  least: float = 0.125
  floor: float = 0.01


def augment(
  keys: jax.Array, images: tuple[jax.Array, ...], strength: jax.Array, settings: Settings
) -> tuple[jax.Array, ...]:
  """Adds noise to levels of images, with the strength as probability for each image.

  Args:
    keys: one an image, `[B]`.
    images: a tuple of levels `[B, H, W, C]`, the whole image last; one array is that alone.
    strength: probability that an image is touched, 0 to 1.
    settings: see `Settings`.
  """
  levels, structure = jax.tree.flatten(images)
  fire, *drawn = jnp.moveaxis(jax.vmap(lambda k: jax.random.split(k, len(levels) + 1))(keys), 1, 0)
  fires = (jax.vmap(jax.random.uniform)(fire) < strength)[:, None, None, None]
  noise, before, found = jnp.zeros_like(levels[-1]), 0.0, []
  for level, x, own in zip(
    reversed(shares(len(levels), settings)), reversed(levels), drawn, strict=True
  ):
    fading = (1 - level) / (1 - before)
    normal = jax.vmap(lambda key, x=x: jax.random.normal(key, x.shape[1:], x.dtype))(own)
    noise = fading * noise + math.sqrt(level**2 - (before * fading) ** 2) * normal
    found.append(jnp.where(fires, (1 - level) * x + noise, x))
    before = level
  return jax.tree.unflatten(structure, found[::-1])


def shares(levels: int, settings: Settings) -> list[float]:
  """The share of noise in each level; with fewer than four, those of the last ones."""
  steps = max(4, levels)
  of_all = [1 - settings.least ** (1 - k / (steps - 1)) + settings.floor for k in range(steps)]
  return of_all[-levels:]


def check(settings: Settings, channels: int) -> None:
  """Raises UserError for shares that leave nothing of the image, or of the noise."""
  del channels
  if not 0 < settings.least < 1:
    raise UserError(f'config.level_noise.least={settings.least}: accepted: above 0, below 1')
  if not 0 <= settings.floor < settings.least:
    raise UserError(
      f'config.level_noise.floor={settings.floor}: accepted: 0 to below least={settings.least}'
    )
