import numpy as np
import pytest

from gan_jax.data.ingest import fit

CHANNELS = [('grey', 1, np.uint8), ('grey16', 1, np.uint16), ('rgb', 3, np.uint8),
            ('rgba', 4, np.uint8)]  # fmt: skip


def noise(height, width, channels=1, dtype=np.uint8, seed=0):
  top = np.iinfo(dtype).max
  return np.random.default_rng(seed).integers(
    0, top, (height, width, channels), dtype, endpoint=True
  )


@pytest.mark.parametrize(('kind', 'channels', 'dtype'), CHANNELS)
@pytest.mark.parametrize('how', fit.FITS)
def test_what_has_the_size_already_is_left_as_it_is(kind, channels, dtype, how):
  pixels = noise(6, 9, channels, dtype)
  np.testing.assert_array_equal(fit.fit(pixels, (6, 9), how), pixels)
  assert fit.kind_of(pixels) == kind


@pytest.mark.parametrize(('kind', 'channels', 'dtype'), CHANNELS)
@pytest.mark.parametrize('how', fit.FITS)
@pytest.mark.parametrize(
  ('shape', 'size'),
  [((7, 12), (8, 8)), ((12, 7), (4, 10)), ((1, 1), (3, 5)), ((1, 5000), (16, 16)),
   ((5000, 1), (2, 3))],
)  # fmt: skip
def test_any_shape_is_brought_to_any_size_at_its_depth(kind, channels, dtype, how, shape, size):
  pixels = noise(*shape, channels, dtype)
  found = fit.fit(pixels, size, how)
  assert found.shape == (*size, channels)
  assert found.dtype == dtype
  assert found.max() > 0


@pytest.mark.parametrize('width', [10, 11])
def test_a_crop_that_needs_no_scaling_is_exact_and_centred(width):
  pixels = noise(8, width, 3)
  found = fit.fit(pixels, (8, 8), 'crop')
  np.testing.assert_array_equal(found, pixels[:, 1:9])
  np.testing.assert_array_equal(
    fit.fit(pixels.swapaxes(0, 1), (8, 8), 'crop'), pixels[:, 1:9].swapaxes(0, 1)
  )


def test_a_crop_shows_the_centre_alone():
  pixels = np.zeros((20, 60, 1), np.uint8)
  pixels[:, 20:40] = 200
  found = fit.fit(pixels, (10, 10), 'crop')[..., 0]
  # The outermost columns are antialiased with what lies beyond.
  np.testing.assert_array_equal(found[:, 2:-2], 200)
  assert found.min() > 150


@pytest.mark.parametrize(('dtype', 'channels'), [(np.uint8, 3), (np.uint16, 1), (np.uint8, 4)])
def test_padding_keeps_the_whole_between_black_or_clear_bars(dtype, channels):
  pixels = np.full((4, 8, channels), 200, dtype)
  found = fit.fit(pixels, (8, 8), 'pad')
  expected = np.zeros((8, 8, channels), dtype)
  expected[2:6] = 200
  np.testing.assert_array_equal(found, expected)


def test_stretching_covers_everything():
  pixels = np.zeros((4, 8, 1), np.uint8)
  pixels[:, 4:] = 250
  found = fit.fit(pixels, (8, 4), 'stretch')[..., 0]
  assert (found[:, 0] < 30).all()
  assert (found[:, -1] > 220).all()


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_scaling_by_half_agrees_with_a_bicubic_by_hand(dtype):
  # Keys' kernel with a = -1/2, widened by the scale: what antialiasing means.
  def kernel(x):
    x = np.abs(x)
    return np.where(x < 1, 1.5 * x**3 - 2.5 * x**2 + 1,
                    np.where(x < 2, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2, 0))  # fmt: skip

  places, centres = np.arange(12) + 0.5, 2 * np.arange(6) + 1
  weights = kernel((places[None] - centres[:, None]) / 2)
  weights /= weights.sum(1, keepdims=True)
  top = np.iinfo(dtype).max
  pixels = (noise(12, 12, 1, dtype) // 2 + top // 4).astype(dtype)  # away from where it clips
  expected = weights @ pixels[..., 0].astype(float) @ weights.T
  found = fit.fit(pixels, (6, 6), 'stretch')[..., 0]
  np.testing.assert_allclose(found, expected, atol=1.01 if dtype == np.uint8 else 1.1)


def test_colours_that_are_not_seen_do_not_bleed():
  pixels = np.zeros((8, 8, 4), np.uint8)
  pixels[:, :4] = (200, 0, 0, 255)
  pixels[:, 4:] = (0, 255, 0, 0)  # green, but clear
  for how in fit.FITS:
    found = fit.fit(pixels, (3, 3), how)
    assert found[found[..., 3] > 30][:, 1].max() <= 2, how


@pytest.mark.parametrize(
  ('start', 'through'),
  [('grey', 'grey16'), ('grey', 'rgb'), ('grey', 'rgba'), ('rgb', 'rgba'), ('rgb', 'rgb')],
)
def test_conversions_to_what_holds_more_are_undone_without_loss(start, through):
  pixels = noise(16, 17, fit.CHANNELS[start])
  there = fit.convert(pixels, through)
  assert fit.kind_of(there) == through
  back = fit.convert(there, start)
  assert fit.kind_of(back) == start
  np.testing.assert_array_equal(back, pixels)


def test_grey_of_16_bits_has_the_whole_range():
  np.testing.assert_array_equal(
    fit.convert(np.array([[[0], [255]]], np.uint8), 'grey16'), [[[0], [65535]]]
  )


@pytest.mark.parametrize('kind', ['grey', 'rgb', 'rgba'])
def test_sixteen_bits_become_the_nearest_eight(kind):
  pixels = noise(9, 9, 1, np.uint16)
  found = fit.convert(pixels, kind)
  assert found.dtype == np.uint8
  np.testing.assert_array_equal(found[..., 0], np.rint(pixels[..., 0] / 65535 * 255))


def test_colour_becomes_its_luma():
  pixels = noise(9, 9, 3)
  expected = pixels @ np.array([0.299, 0.587, 0.114])
  np.testing.assert_allclose(fit.convert(pixels, 'grey')[..., 0], expected, atol=0.51)
  sixteen = fit.convert(pixels, 'grey16')
  np.testing.assert_array_equal(sixteen, fit.convert(pixels, 'grey').astype(int) * 257)


def test_what_loses_its_alpha_is_shown_over_white():
  pixels = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [100, 0, 200, 51]]], np.uint8)
  expected = [[[10, 20, 30], [255, 255, 255], [224, 204, 244]]]  # a fifth of it: 51 / 255
  np.testing.assert_array_equal(fit.convert(pixels, 'rgb'), expected)
  np.testing.assert_array_equal(
    fit.convert(pixels, 'grey'), fit.convert(np.array(expected, np.uint8), 'grey')
  )


@pytest.mark.parametrize(
  ('kinds', 'expected'),
  [
    ('grey', 'grey'),
    ('grey grey16', 'grey16'),
    ('grey16', 'grey16'),
    ('grey rgb', 'rgb'),
    ('grey16 rgb', 'rgb'),
    ('grey rgba', 'rgba'),
    ('grey16 rgb rgba', 'rgba'),
  ],
)
def test_what_holds_all_images_is_chosen(kinds, expected):
  assert fit.common_kind(set(kinds.split())) == expected
