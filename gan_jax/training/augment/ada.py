"""ADA's augmentations (Karras et al. 2020, arXiv:2006.06676, appendix B).

As published: mirror, quarter turns, shifts, scales, rotations and colours; filter, noise and cutout
are off. Each has its multiplier: it fires for an image on its own with probability multiplier ×
strength. Colours and noise are of the first three channels and of grey, which has no hue and no
saturation; geometry, filter and cutout are of all. Cutout leaves 0, mid-grey, and −1, transparent,
in a fourth channel.
"""

import dataclasses

import jax
import jax.numpy as jnp

from gan_jax.errors import UserError
from gan_jax.training.augment import ada_colour, ada_draws, ada_filter, ada_geometry
from gan_jax.training.augment.ada_draws import Draws

GEOMETRY = ('xflip', 'rotate90', 'xint', 'scale', 'rotate', 'aniso', 'xfrac')
COLOUR = ('brightness', 'contrast', 'lumaflip', 'hue', 'saturation')


@dataclasses.dataclass(frozen=True)
class Settings:
  """Settings of ADA's augmentations; the first of each group are multipliers of the strength.

  Attributes:
    xflip: mirror left-right; not for digits or letters.
    rotate90: quarter turns.
    xint: shift by whole pixels.
    scale: scale.
    rotate: rotation.
    aniso: anisotropic scale.
    xfrac: shift by parts of pixels.
    brightness: brightness.
    contrast: contrast.
    lumaflip: mirrored lightness.
    hue: hue.
    saturation: saturation.
    imgfilter: strength of octaves of frequencies.
    noise: noise.
    cutout: a square that is cut out.
    xint_max: longest shift by whole pixels, as a share of the side.
    scale_std: standard deviation of log₂ of the scale.
    rotate_max: greatest angle, in half turns.
    aniso_std: standard deviation of log₂ of the anisotropic scale.
    xfrac_std: standard deviation of the shift, as a share of the side.
    brightness_std: standard deviation of what is added, on the scale of [−1, 1].
    contrast_std: standard deviation of log₂ of the contrast.
    hue_max: greatest turn of the hue, in half turns.
    saturation_std: standard deviation of log₂ of the saturation.
    imgfilter_std: standard deviation of log₂ of a band's factor.
    noise_std: scale of the noise's standard deviation, on the scale of [−1, 1].
    cutout_size: of the square, as a share of the side.
  """

  xflip: float = 1.0
  rotate90: float = 1.0
  xint: float = 1.0
  scale: float = 1.0
  rotate: float = 1.0
  aniso: float = 1.0
  xfrac: float = 1.0
  brightness: float = 1.0
  contrast: float = 1.0
  lumaflip: float = 1.0
  hue: float = 1.0
  saturation: float = 1.0
  imgfilter: float = 0.0
  noise: float = 0.0
  cutout: float = 0.0
  xint_max: float = 0.125
  scale_std: float = 0.2
  rotate_max: float = 1.0
  aniso_std: float = 0.2
  xfrac_std: float = 0.125
  brightness_std: float = 0.2
  contrast_std: float = 0.5
  hue_max: float = 1.0
  saturation_std: float = 1.0
  imgfilter_std: float = 1.0
  noise_std: float = 0.1
  cutout_size: float = 0.5


def augment(
  keys: jax.Array, images: jax.Array, strength: jax.Array, settings: Settings
) -> jax.Array:
  """Augments images; what has no multiplier is left out of the program.

  Args:
    keys: one an image, `[B]`.
    images: `[B, H, W, C]` in [−1, 1]; the result is not clipped.
    strength: p, 0 to 1.
    settings: see `Settings`.
  """
  x = images.astype(jnp.float32)
  size = x.shape[1], x.shape[2]
  draws = jax.vmap(lambda key: ada_draws.draw(key, strength))(keys)
  drawn = lambda function: jax.vmap(function)(draws)
  if _any(settings, GEOMETRY):
    matrices = drawn(lambda d: ada_geometry.matrix(d, size, settings))
    x = ada_geometry.resample(x, matrices)
  if _any(settings, COLOUR):
    grey = x.shape[-1] == 1
    x = ada_colour.apply(x, drawn(lambda d: ada_colour.matrix(d, grey, settings)))
  if settings.imgfilter:
    x = ada_filter.apply(x, drawn(lambda d: ada_filter.gains(d, settings)))
  if settings.noise:
    x += drawn(lambda d: _noise(d, x.shape[1:], settings))
  if settings.cutout:
    cut = drawn(lambda d: _cutout(d, size, settings))
    x = jnp.where(cut[..., None], jnp.array([0.0, 0.0, 0.0, -1.0])[: x.shape[-1]], x)
  return x.astype(images.dtype)


def _any(settings: Settings, names: tuple[str, ...]) -> bool:
  return any(getattr(settings, name) for name in names)


def _noise(draws: Draws, shape: tuple[int, ...], settings: Settings) -> jax.Array:
  """Normal noise whose standard deviation is drawn for the image, `[H, W, C]`."""
  deviation = settings.noise_std * jnp.abs(draws.normal(51))
  noise = draws.where_fired(50, settings.noise, deviation, 0) * draws.noise(52, shape)
  return noise.at[..., 3:].set(0.0)


def _cutout(draws: Draws, size: tuple[int, int], settings: Settings) -> jax.Array:
  """Whether each pixel is cut out, `[H, W]`."""
  side = draws.where_fired(60, settings.cutout, jnp.asarray(settings.cutout_size), 0)
  centre = (draws.uniform_pair(61) + 1) / 2
  far = [
    jnp.abs((jnp.arange(n) + 0.5) / n - c) >= side / 2 for n, c in zip(size, centre, strict=True)
  ]
  return ~(far[0][:, None] | far[1][None, :])


def check(settings: Settings, channels: int) -> None:
  """Raises UserError for a setting out of range."""
  del channels
  for field in dataclasses.fields(settings):
    value, most = getattr(settings, field.name), 1.0
    if field.name.endswith('_std'):
      most = float('inf')
    if not 0 <= value <= most:
      accepted = '0 or more' if most > 1 else '0 to 1'
      raise UserError(f'config.ada.{field.name}={value}: accepted: {accepted}')
