import jax
import numpy as np
import pytest
from flax import linen as nn

from gan_jax.errors import NonFiniteError
from gan_jax.models import dcgan
from gan_jax.sampling import sampler
from gan_jax.training import draws


@pytest.fixture(scope='module')
def generator():
  module = dcgan.Generator(16, 1, 8, num_classes=3, width=8)
  init = jax.jit(
    lambda: module.init(jax.random.key(0), np.zeros((1, 8)), np.zeros(1, int), train=False)
  )
  return sampler.Sampler(module, 16, np.dtype(np.uint8)), jax.device_get(init())


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
  np.testing.assert_allclose(sampler.slerp(start, end, t), expected, atol=1e-6)
  line = np.array([[1.0], [1.0]]), np.array([[3.0], [-1.0]])
  np.testing.assert_allclose(sampler.slerp(*line, np.array([0.5, 0.25])), [[2.0], [0.5]], atol=1e-6)


class Plane(nn.Module):
  """Images of two pixels that are the latents."""

  latent_size: int = 2
  resolution: tuple[int, int] = (1, 2)
  channels: int = 1

  @nn.compact
  def __call__(self, latents, labels, train):
    return latents[:, None, :, None] / 8


def test_each_pair_has_a_place_of_its_own_on_its_arc_and_all_are_as_likely():
  count = 400
  drawn = sampler.Sampler(Plane(), 200, np.dtype(np.uint8)).draw_pairs({}, np.zeros(count), 3, 0.0)
  points = np.concatenate([first for first, _ in drawn])[:, 0, :, 0]
  points = 8 * (points / 127.5 - 1)
  ends = jax.random.split(jax.random.key(3), 3)[:2]
  start, end = (np.asarray(draws.draw_latents(key, np.arange(count), 2)) for key in ends)
  angle = np.arccos(
    np.sum(start * end, 1) / np.linalg.norm(start, axis=1) / np.linalg.norm(end, axis=1)
  )
  # point = a · start + b · end with a + b cos θ = cos tθ and b sin θ = sin tθ
  a, b = np.linalg.solve(np.stack([start, end], -1), points[..., None])[..., 0].T
  t = (np.arctan2(b * np.sin(angle), a + b * np.cos(angle)) / angle)[np.sin(angle) > 0.2]
  assert len(t) > 200
  assert len(np.unique(t.round(4))) > 0.9 * len(t)
  np.testing.assert_allclose(
    np.quantile(t, [0.05, 0.25, 0.5, 0.75, 0.95]), [0.05, 0.25, 0.5, 0.75, 0.95], atol=0.08
  )
