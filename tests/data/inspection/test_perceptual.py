import io

import numpy as np
import pytest
from PIL import Image

from gan_jax.data.inspection import measurement, perceptual
from tests.data.inspection.scenes import scene


def brute_force(hashes):
  i, j = np.nonzero(np.bitwise_count(hashes[:, None] ^ hashes[None]) <= perceptual.RADIUS)
  return {(a, b) for a, b in zip(i.tolist(), j.tolist(), strict=True) if a < b}


def as_set(pairs):
  """Pairs in either order, once each."""
  ordered = [tuple(sorted(pair)) for pair in pairs.tolist()]
  assert len(set(ordered)) == len(ordered)
  return set(ordered)


def with_neighbours(rng, count, flips):
  """Random hashes, and copies of some with so many bits flipped anywhere."""
  hashes = rng.integers(0, 2**64, count, np.uint64)
  bits = np.array([rng.permutation(64)[:flips] for _ in range(count)])
  flipped = np.bitwise_or.reduce(np.uint64(1) << bits.astype(np.uint64), axis=1)
  return np.concatenate([hashes, hashes ^ flipped])


@pytest.mark.parametrize('flips', [1, 2, 3, 4])
def test_the_search_by_bands_finds_what_brute_force_finds(flips):
  hashes = with_neighbours(np.random.default_rng(flips), 300, flips)
  pairs, complete = perceptual.near(hashes)
  assert complete
  assert as_set(pairs) == brute_force(hashes)
  assert bool(len(pairs)) == (flips <= 3)


def test_the_search_is_exact_where_buckets_are_full():
  few = np.random.default_rng(0).integers(0, 2**7, 200, np.uint64)  # three bands always agree
  spread = (few & np.uint64(15)) | ((few >> np.uint64(4)) << np.uint64(40))
  for hashes in (few, spread, spread << np.uint64(20)):
    pairs, complete = perceptual.near(hashes)
    assert complete
    assert as_set(pairs) == brute_force(hashes)


def test_a_search_that_is_cut_short_says_so():
  hashes = np.zeros(3000, np.uint64)
  pairs, complete = perceptual.near(hashes, comparisons=20_000)
  assert not complete
  assert len(pairs) < 3000 * 2999 / 2


def test_unlike_hashes_take_few_comparisons():
  hashes = np.random.default_rng(0).integers(0, 2**64, 3000, np.uint64)
  assert perceptual.near(hashes, comparisons=20_000)[1]


def test_of_more_images_of_one_hash_than_are_told_apart_it_is_said(monkeypatch):
  monkeypatch.setattr(perceptual, '_ROUNDS', 2)
  hashes = np.zeros(3, np.uint64)
  thumbnails = np.random.default_rng(0).random((3, 16, 16, 1)).astype(np.float16)
  complete = lambda count: perceptual.group(hashes[:count], thumbnails[:count]).complete
  assert [complete(2), complete(3)] == [True, False]


@pytest.mark.parametrize('count', [0, 1])
def test_few_images_have_no_neighbours(count):
  hashes, thumbnails = perceptual.signature(np.ones((count, 32, 32, 1), np.float32))
  assert perceptual.near(hashes)[0].shape == (0, 2)
  assert perceptual.group(hashes, thumbnails).label.shape == (count,)


def signature_of(images, channels=3):
  small = []
  for image in images:
    file = io.BytesIO()
    image.save(file, format='PNG')
    small.append(measurement.measure(file.getvalue(), channels).small)
  return perceptual.signature(np.stack(small))


def as_jpeg(image):
  file = io.BytesIO()
  image.save(file, format='JPEG', quality=75)
  return Image.open(file)


COPIES = {
  'JPEG': as_jpeg,
  'smaller': lambda image: image.resize((87, 58)),
  'larger': lambda image: image.resize((105, 70)),
  'brighter': lambda image: image.point(lambda level: min(level + 2, 255)),
}


@pytest.mark.parametrize('kind', COPIES)
def test_a_copy_is_grouped_with_its_source_and_with_no_other(kind):
  images = [scene(seed) for seed in range(20)]
  copies = [COPIES[kind](image) for image in images]
  groups = perceptual.group(*signature_of([*images, *copies]))
  assert groups.complete
  np.testing.assert_array_equal(groups.label[:20], groups.label[20:])
  assert len(set(groups.label.tolist())) == 20


def test_equal_structure_in_another_colour_is_another_image():
  red, blue = Image.new('RGB', (32, 32)), Image.new('RGB', (32, 32))
  red.paste((200, 0, 0), (8, 8, 20, 24))
  blue.paste((0, 0, 200), (8, 8, 20, 24))
  hashes, thumbnails = signature_of([red, blue, red])
  assert hashes[0] == hashes[1]
  label = perceptual.group(hashes, thumbnails).label
  assert label[0] == label[2] != label[1]


def test_colour_under_full_transparency_makes_no_difference():
  shapes = []
  for hidden in ((255, 0, 0, 0), (0, 255, 0, 0)):
    image = Image.new('RGBA', (32, 32), hidden)
    image.paste((0, 0, 0, 255), (8, 4, 20, 24))
    shapes.append(image)
  moved = Image.new('RGBA', (32, 32))
  moved.paste((0, 0, 0, 255), (4, 8, 24, 20))
  label = perceptual.group(*signature_of([*shapes, moved], channels=4)).label
  assert label[0] == label[1] != label[2]


def test_white_on_nothing_is_the_negative_of_black_on_nothing():
  alpha = np.random.default_rng(0).random((9, 32, 32, 1), np.float32)
  of = lambda level: perceptual.signature(
    np.concatenate([np.full((9, 32, 32, 3), level, np.float32), alpha], axis=-1)
  )
  (black, _), (white, _) = of(0), of(1)
  np.testing.assert_array_equal(black, ~white)


def test_thousands_of_equal_images_are_one_group():
  hashes, thumbnails = signature_of([scene(0), scene(1)])
  places = np.repeat([0, 1], [5000, 1])
  groups = perceptual.group(hashes[places], thumbnails[places])
  assert groups.complete
  assert len(set(groups.label[:5000].tolist())) == 1
  assert groups.label[5000] != groups.label[0]
