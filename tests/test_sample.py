import jax
import numpy as np
import pytest
from PIL import Image

from gan_jax import sample
from gan_jax.errors import NonFiniteError, UserError
from gan_jax.models import dcgan


@pytest.fixture(scope='module')
def generator():
  module = dcgan.Generator(16, 1, 8, num_classes=3, width=8)
  init = jax.jit(
    lambda: module.init(jax.random.key(0), np.zeros((1, 8)), np.zeros(1, int), train=False)
  )
  return sample.Sampler(module, 16, np.dtype(np.uint8)), jax.device_get(init())


def draw(generator, labels, **options):
  sampler, variables = generator
  return np.concatenate(list(sampler.draw(variables, np.asarray(labels), **options)))


def test_an_image_depends_on_seed_place_and_label_alone(generator):
  many = draw(generator, [0, 1, 2] * 7, seed=5)
  assert many.shape == (21, 16, 16, 1)
  assert many.dtype == np.uint8
  np.testing.assert_array_equal(draw(generator, [0, 1], seed=5), many[:2])
  assert not np.array_equal(draw(generator, [0, 1], seed=6), many[:2])


def test_truncation_zero_gives_one_image_a_class_and_one_changes_nothing(generator):
  images = draw(generator, [1, 1, 2], seed=0, truncation=0.0)
  np.testing.assert_array_equal(images[0], images[1])
  assert not np.array_equal(images[0], images[2])
  np.testing.assert_array_equal(
    draw(generator, [0], seed=0, truncation=1.0), draw(generator, [0], seed=0)
  )


def draw_pairs(generator, labels, **options):
  sampler, variables = generator
  pairs = list(sampler.draw_pairs(variables, np.asarray(labels), **options))
  return tuple(np.concatenate(part) for part in zip(*pairs, strict=True))


def test_parts_drawn_by_their_first_place_are_the_whole(generator):
  labels = np.arange(21) % 3
  whole = draw(generator, labels, seed=5)
  parts = [draw(generator, labels[:10], seed=5), draw(generator, labels[10:], seed=5, first=10)]
  np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_images_that_are_not_finite_are_told_and_not_drawn_black(generator):
  sampler, variables = generator
  broken = jax.tree.map(lambda x: np.full_like(x, np.nan), variables)
  for images in (
    sampler.draw(broken, np.zeros(5), 0),
    sampler.draw_pairs(broken, np.zeros(5), 0, 1),
  ):
    with pytest.raises(NonFiniteError, match='made 5 of 5 images with NaN or infinite pixels'):
      next(images)
  one_class = jax.tree.map(np.array, variables)
  one_class['params']['embedding']['embedding'][1] = np.inf
  with pytest.raises(NonFiniteError, match='made 2 of 5 images'):
    draw((sampler, one_class), [0, 1, 2, 1, 0], seed=0)


def test_a_pair_depends_on_seed_place_and_label_alone(generator):
  many = draw_pairs(generator, [0, 1, 2] * 7, seed=5, epsilon=0.1)
  few = draw_pairs(generator, [0, 1], seed=5, epsilon=0.1)
  other = draw_pairs(generator, [0, 1], seed=6, epsilon=0.1)
  for all_images, images, others in zip(many, few, other, strict=True):
    assert all_images.shape == (21, 16, 16, 1)
    assert all_images.dtype == np.float32
    assert all_images.min() >= 0
    assert 127 < all_images.max() <= 255
    np.testing.assert_array_equal(all_images[:2], images)
    assert not np.array_equal(images, others)


def test_pairs_are_as_far_apart_as_epsilon_and_the_same_at_zero(generator):
  labels = np.zeros(16, int)
  distances = {}
  for epsilon in (0.0, 1e-3, 2e-3):
    first, second = draw_pairs(generator, labels, seed=0, epsilon=epsilon)
    distances[epsilon] = np.linalg.norm(second - first)
  assert distances[0.0] == 0
  assert distances[2e-3] == pytest.approx(2 * distances[1e-3], rel=0.01)


def test_slerp_is_the_arc():
  start, end = np.array([[2.0, 0.0]] * 3), np.array([[0.0, 2.0]] * 3)
  t = np.array([0.0, 1 / 3, 1.0])
  expected = 2 * np.stack([np.cos(t * np.pi / 2), np.sin(t * np.pi / 2)], axis=1)
  np.testing.assert_allclose(sample.slerp(start, end, t), expected, atol=1e-6)
  line = np.array([[1.0], [1.0]]), np.array([[3.0], [-1.0]])
  np.testing.assert_allclose(sample.slerp(*line, np.array([0.5, 0.25])), [[2.0], [0.5]], atol=1e-6)


def test_a_grid_is_read_row_by_row():
  images = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((5, 2, 3, 1), np.uint8)
  picture = sample.grid(images, 3)
  assert picture.shape == (4, 9, 1)
  np.testing.assert_array_equal(picture[::2, ::3, 0], [[0, 1, 2], [3, 4, 0]])


def test_a_grid_shows_transparency_over_a_checkerboard():
  images = np.zeros((2, 16, 16, 4), np.uint8)
  images[0, ..., 0] = images[0, ..., 3] = 255  # opaque red; the other is fully transparent
  picture = sample.grid(images, 2)
  assert picture.shape == (16, 32, 3)
  np.testing.assert_array_equal(picture[:, :16], np.broadcast_to([255, 0, 0], (16, 16, 3)))
  values, counts = np.unique(picture[:, 16:], return_counts=True)
  assert len(values) == 2
  assert counts[0] == counts[1]


def test_a_grid_shows_the_upper_half_of_sixteen_bits():
  images = np.array([0, 255, 256, 65535], np.uint16).reshape(4, 1, 1, 1)
  np.testing.assert_array_equal(sample.grid(images, 4)[0, :, 0], [0, 0, 1, 255])


@pytest.mark.parametrize(('dtype', 'channels'), [(np.uint8, 4), (np.uint16, 1)])
def test_a_saved_image_keeps_transparency_and_depth(dtype, channels, tmp_path):
  rng = np.random.default_rng(0)
  image = rng.integers(0, np.iinfo(dtype).max, (5, 6, channels), dtype, endpoint=True)
  sample.save_image(str(tmp_path / 'image.png'), image)
  with Image.open(tmp_path / 'image.png') as saved:
    np.testing.assert_array_equal(np.asarray(saved).reshape(image.shape), image)


def test_real_images_of_a_grid_are_of_the_classes_asked_for(digits):
  labels = sample.grid_labels(10, 3, 4)
  images = sample.reals(digits, labels, len(labels))
  everything = digits.fetch(np.arange(len(digits)))
  for image, label in zip(images, labels, strict=True):
    rows = np.flatnonzero((everything['image'] == image).all(axis=(1, 2, 3)))
    assert label in everything['label'][rows]
  assert len(np.unique(images, axis=0)) == len(images)
  first = sample.reals(digits, None, 3)
  np.testing.assert_array_equal(first, everything['image'][:3])


def test_a_folder_has_one_png_an_image_and_a_png_a_row_a_class(generator, tmp_path):
  sampler, variables = generator
  options = {'count': 5, 'classes': [0, 2], 'seed': 0, 'truncation': 1.0}
  sample.write_samples(sampler, variables, out=str(tmp_path / 'folder'), **options)
  names = sorted(path.name for path in (tmp_path / 'folder').iterdir())
  assert names == ['000000_0.png', '000001_2.png', '000002_0.png', '000003_2.png', '000004_0.png']
  with Image.open(tmp_path / 'folder' / names[0]) as image:
    assert image.size == (16, 16)
  sample.write_samples(sampler, variables, out=str(tmp_path / 'a' / 'grid.png'), **options)
  with Image.open(tmp_path / 'a' / 'grid.png') as image:
    assert image.size == (3 * 16, 2 * 16)


@pytest.mark.parametrize('text', ['3', '-1', 'x', '1,,2', '0 1'])
def test_classes_that_the_model_does_not_have_are_refused(text):
  with pytest.raises(UserError, match='from 0 to 2'):
    sample.parse_classes(text, 3)


def test_classes_are_read_and_default_to_all():
  assert sample.parse_classes('2,0', 3) == [2, 0]
  assert sample.parse_classes('', 3) == [0, 1, 2]
  assert sample.parse_classes('', 0) == [0]
  with pytest.raises(UserError, match='unconditional'):
    sample.parse_classes('1', 0)


def test_a_count_below_one_or_a_place_that_cannot_be_written_is_refused(generator, tmp_path):
  sampler, variables = generator
  options = {'classes': [0], 'seed': 0, 'truncation': 1.0}
  with pytest.raises(UserError, match='--count=0'):
    sample.write_samples(sampler, variables, count=0, out=str(tmp_path / 'x'), **options)
  (tmp_path / 'file').write_text('')
  with pytest.raises(UserError, match='cannot be written'):
    sample.write_samples(sampler, variables, count=1, out=str(tmp_path / 'file' / 'x'), **options)
