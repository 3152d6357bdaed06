"""ADA's operations against scipy, NumPy and a second composition of the same draws."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
from scipy.spatial.transform import Rotation

from gan_jax.errors import UserError
from gan_jax.training import draws as draws_of
from gan_jax.training.augment import ada, ada_colour, ada_draws, ada_filter, ada_geometry

NOTHING = dict.fromkeys((*ada.GEOMETRY, *ada.COLOUR), 0.0)
SIDE = 48


def only(*names, **settings):
  return ada.Settings(**{**NOTHING, **dict.fromkeys(names, 1.0), **settings})


def keys(count, seed=0):
  return draws_of.per_example(jax.random.key(seed), jnp.arange(count))


def photograph(count=1, channels=3, height=SIDE, width=SIDE, seed=0):
  """Smooth images in [−1, 1], as a photograph is between its edges."""
  noise = np.random.default_rng(seed).standard_normal((count, height, width, channels))
  smooth = scipy.ndimage.gaussian_filter(noise, (0, 8, 8, 0), mode='reflect')
  return (smooth / np.abs(smooth).max()).astype(np.float32)


@functools.cache
def compiled(settings):
  return jax.jit(lambda k, x, p: ada.augment(k, x, p, settings))


def run(images, settings, strength=1.0, seed=0):
  function = compiled(settings)
  return np.asarray(function(keys(len(images), seed), images, jnp.float32(strength)))


def matrices(settings, count, size=(SIDE, SIDE), strength=1.0, seed=0):
  one = lambda key: ada_geometry.matrix(ada_draws.draw(key, jnp.float32(strength)), size, settings)
  return np.asarray(jax.jit(jax.vmap(one))(keys(count, seed)), np.float64)


def rendered(image, matrix, mode='mirror'):
  """The image moved by a matrix, by scipy's cubic splines."""
  H, W, C = image.shape
  swap = matrix[:2, :2][::-1, ::-1]  # scipy's places are (y, x)
  centre = np.array([H / 2 - 0.5, W / 2 - 0.5])
  offset = centre + matrix[:2, 2][::-1] - swap @ centre
  layers = [
    scipy.ndimage.affine_transform(image[..., c], swap, offset, order=3, mode=mode)
    for c in range(C)
  ]
  return np.stack(layers, axis=-1)


@pytest.mark.parametrize('size', [(SIDE, SIDE), (SIDE, 64)])
def test_geometry_is_what_scipy_renders_of_the_same_matrix(size):
  """Away from the borders, where reflections and the reach of the padding differ."""
  count = 8
  settings = only(
    'scale', 'rotate', 'aniso', 'xfrac', 'xint', 'xflip', scale_std=0.1, aniso_std=0.1
  )
  images = photograph(count, 4, *size)
  moved = run(images, settings)
  for image, result, matrix in zip(images, moved, matrices(settings, count, size), strict=True):
    expected = rendered(image, matrix)
    # Places of the result that come from well inside the image.
    frame = np.pad(np.ones((size[0] - 12, size[1] - 12, 1)), ((6, 6), (6, 6), (0, 0)))
    inside = rendered(frame, matrix, 'constant')[..., 0]
    inside = (inside > 0.999) & (scipy.ndimage.minimum_filter(inside, 5) > 0.99)
    assert inside.mean() > 0.15
    assert np.abs(result - expected)[inside].max() < 1e-2


@pytest.mark.parametrize(
  ('name', 'exact'),
  [
    ('xflip', lambda x: [x, x[:, ::-1]]),
    ('rotate90', lambda x: [np.rot90(x, k) for k in range(4)]),
  ],
)
def test_mirror_and_quarter_turns_move_pixels_alone(name, exact):
  """But for the filter: sym6 is not symmetric, and mirrored it moves an image by 0.4 pixels."""
  images = photograph(12)
  found = run(images, only(name))
  seen = set()
  for image, result in zip(images, found, strict=True):
    errors = [np.abs(result - other).max() for other in exact(image)]
    steepest = max(np.abs(np.diff(image, axis=axis)).max() for axis in (0, 1))
    assert min(errors) < 2 * 0.4 * steepest
    seen.add(int(np.argmin(errors)))
  assert seen == set(range(len(exact(images[0]))))


def test_images_that_are_not_square_make_half_turns():
  images = photograph(10, height=24, width=40)
  found = run(images, only('rotate90'))
  kinds = [
    np.argmin([np.abs(r - x).max(), np.abs(r - x[::-1, ::-1]).max()])
    for x, r in zip(images, found, strict=True)
  ]
  assert set(kinds) == {0, 1}


def test_a_shift_by_whole_pixels_reflects_the_border():
  images = photograph(6)
  found = run(images, only('xint'))
  for image, result, matrix in zip(images, found, matrices(only('xint'), 6), strict=True):
    x, y = np.round(matrix[:2, 2]).astype(int)
    pad = np.pad(image, ((8, 8), (8, 8), (0, 0)), mode='reflect')
    expected = pad[8 + y : 8 + y + SIDE, 8 + x : 8 + x + SIDE]
    assert max(abs(x), abs(y)) <= 6
    np.testing.assert_allclose(result, expected, atol=2e-3)


@pytest.mark.parametrize('channels', [1, 3, 4])
def test_strength_zero_leaves_images_as_they_are(channels):
  """sym6 and its mirror image reconstruct nearly, not exactly: 1e-4 of a smooth image."""
  everything = dict.fromkeys(('imgfilter', 'noise', 'cutout'), 1.0)
  images = photograph(3, channels)
  np.testing.assert_allclose(run(images, ada.Settings(**everything), 0.0), images, atol=1e-4)
  without = only('brightness', 'hue', **everything)
  np.testing.assert_allclose(run(images, without, 0.0), images, atol=1e-5)


def colour_by_numpy(draw, settings):
  """The same draws composed once more, by scipy's rotation about the grey axis."""
  axis = np.ones(3) / math.sqrt(3)
  along = np.outer(axis, axis)
  std = lambda name, n: getattr(settings, f'{name}_std') * float(draw.normal(n))
  matrix, shift = np.eye(3), np.zeros(3)
  shift = shift + std('brightness', 21)
  contrast = 2 ** std('contrast', 23)
  matrix, shift = contrast * matrix, contrast * shift
  flip = np.eye(3) - 2 * float(draw.integer(25, 2)) * along
  matrix, shift = flip @ matrix, flip @ shift
  turn = Rotation.from_rotvec(axis * math.pi * float(draw.uniform(27))).as_matrix()
  matrix, shift = turn @ matrix, turn @ shift
  saturation = along + (np.eye(3) - along) * 2 ** std('saturation', 29)
  return saturation @ matrix, saturation @ shift


def test_colours_are_the_composition_of_the_same_draws():
  settings = only(*ada.COLOUR)
  images = photograph(5, 4)
  found = run(images, settings)
  for key, image, result in zip(keys(5), images, found, strict=True):
    matrix, shift = colour_by_numpy(ada_draws.draw(key, jnp.float32(1)), settings)
    np.testing.assert_allclose(result[..., :3], image[..., :3] @ matrix.T + shift, atol=1e-4)
    np.testing.assert_array_equal(result[..., 3], image[..., 3])


def test_grey_has_the_colours_that_grey_can_have():
  """It is what the same operations give of an image with three equal channels."""
  settings = only('brightness', 'contrast', 'lumaflip')
  grey = photograph(4, 1)
  np.testing.assert_allclose(
    run(grey, settings), run(np.repeat(grey, 3, axis=3), settings)[..., :1], atol=1e-5
  )
  np.testing.assert_allclose(run(grey, only('hue', 'saturation')), grey, atol=1e-6)


def test_the_bank_of_filters_adds_up_to_nothing():
  bank = ada_filter.bank()
  assert bank.shape == (4, 43)
  np.testing.assert_allclose(bank.sum(axis=1), [1, 0, 0, 0], atol=1e-6)
  np.testing.assert_allclose(bank.sum(axis=0), np.eye(1, 43, 21)[0], atol=1e-6)


def test_the_filter_is_a_convolution_with_the_scaled_bands():
  images = photograph(2)
  factors = np.array([[1.0, 0.5, 2.0, 0.1], [0.3, 1.0, 1.0, 4.0]], np.float32)
  found = np.asarray(ada_filter.apply(jnp.asarray(images), jnp.asarray(factors)))
  for image, factor, result in zip(images, factors, found, strict=True):
    taps = (factor @ ada_filter.bank())[::-1]
    expected = image
    for axis in (0, 1):
      expected = scipy.ndimage.convolve1d(expected, taps, axis=axis, mode='mirror')
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_operations_fire_as_often_as_they_should():
  p, count = 0.3, 4000
  tolerance = 4 * math.sqrt(p * (1 - p) / count)
  for name in ('scale', 'aniso', 'xfrac'):
    moved = matrices(only(name), count, strength=p) != np.eye(3)
    assert abs(moved.any(axis=(1, 2)).mean() - p) < tolerance, name
  turned = matrices(only('rotate'), count, strength=p)
  assert abs((turned[:, 0, 1] != 0).mean() - p) < tolerance
  mirrored = matrices(only('xflip'), count, strength=p)[:, 0, 0] < 0
  assert abs(mirrored.mean() - p / 2) < tolerance
  half = matrices(only('scale', scale=0.5), count, strength=p)[:, 0, 0] != 1
  assert abs(half.mean() - p / 2) < tolerance


def test_noise_and_cutout():
  images = np.zeros((400, 16, 16, 4), np.float32)
  noise = run(images, only('noise', noise_std=0.2))
  deviations = noise[..., :3].std(axis=(1, 2, 3))
  np.testing.assert_allclose(deviations.mean(), 0.2 * math.sqrt(2 / math.pi), rtol=0.15)
  assert not noise[..., 3].any()
  # How strong it is and what it looks like are drawn apart: no pixel tells the deviation.
  looks = np.abs(noise[..., :3]) / deviations[:, None, None, None]
  related = np.corrcoef(deviations, looks.reshape(len(images), -1).T)[0, 1:]
  assert np.abs(related).max() < 0.3
  images[..., 3] = 1
  images[..., :3] = 0.7
  cut = run(images, only('cutout'))
  gone = cut[..., 3] == -1
  assert (cut[gone][:, :3] == 0).all()
  assert (cut[~gone] == images[~gone]).all()
  assert 0.05 < gone.mean() < 0.25
  assert gone.sum(axis=(1, 2)).max() <= 8 * 8


def test_an_image_draws_the_same_in_any_batch_and_moves_in_a_straight_line():
  images, settings = photograph(4), ada.Settings()
  whole, function = run(images, settings), compiled(settings)
  alone = function(keys(4)[2:3], images[2:3], jnp.float32(1))
  np.testing.assert_allclose(alone[0], whole[2], atol=1e-5)
  other = photograph(4, seed=1)
  mean = run((images + other) / 2, settings)
  np.testing.assert_allclose(mean, (whole + run(other, settings)) / 2, atol=1e-4)


def test_a_gradient_penalty_goes_through_it():
  images, settings = jnp.asarray(photograph(2, height=16, width=16)), ada.Settings()

  def penalty(a):
    score = lambda x: jnp.sum(jnp.tanh(a * ada.augment(keys(2), x, jnp.float32(1), settings)))
    return jnp.sum(jax.grad(score)(images) ** 2)

  both, small = jax.jit(jax.value_and_grad(penalty)), 1e-2
  value, slope = both(0.5)
  numeric = (both(0.5 + small)[0] - both(0.5 - small)[0]) / (2 * small)
  np.testing.assert_allclose(slope, numeric, rtol=2e-2)
  assert value > 0


def test_bfloat16_stays_bfloat16():
  images = jnp.zeros((1, 16, 16, 1), jnp.bfloat16)
  found = jax.eval_shape(compiled(ada.Settings()), keys(1), images, jnp.float32(1))
  assert found.dtype == jnp.bfloat16


@pytest.mark.parametrize(('name', 'value'), [('xflip', -0.1), ('hue', 1.5), ('scale_std', -1.0)])
def test_settings_out_of_range_are_refused(name, value):
  with pytest.raises(UserError, match=f'config.ada.{name}={value}'):
    ada.check(ada.Settings(**{name: value}), 3)


def test_the_matrix_is_of_three_by_three_and_the_colours_keep_greys_grey():
  one = lambda key: ada_colour.matrix(
    ada_draws.draw(key, jnp.float32(1)), False, only('hue', 'saturation')
  )
  found = np.asarray(jax.jit(jax.vmap(one))(keys(5)))
  grey = np.array([0.3, 0.3, 0.3, 1.0])
  np.testing.assert_allclose(found @ grey, np.tile(grey, (5, 1)), atol=1e-5)
