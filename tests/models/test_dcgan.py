import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UserError
from gan_jax.models import dcgan

LABELS = jnp.array([0, 1, 2])


def _shapes(module, *args):
  return jax.eval_shape(lambda: module.init(jax.random.key(0), *args, train=False))


def _count(variables):
  return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(variables['params']))


def test_parameters_are_as_many_as_in_the_published_64_pixel_network():
  # PyTorch's DCGAN example counts 3,576,704 and 2,765,568 with 64 filters and z of 100.
  g = _shapes(dcgan.Generator(64, 3, 100), jnp.zeros((3, 100)), LABELS)
  d = _shapes(dcgan.Discriminator(64, 3), jnp.zeros((3, 64, 64, 3)), LABELS)
  assert (_count(g), _count(d)) == (3_576_704, 2_765_568)


@pytest.mark.parametrize('resolution', [16, 32, 128])
@pytest.mark.parametrize('channels', [1, 4])
def test_it_makes_and_scores_any_power_of_two_from_16(resolution, channels):
  g = dcgan.Generator(resolution, channels, 8, num_classes=3, width=4)
  d = dcgan.Discriminator(resolution, channels, num_classes=3, width=4)
  images, _ = jax.eval_shape(
    lambda: g.init_with_output(jax.random.key(0), jnp.zeros((3, 8)), LABELS, train=False)
  )
  assert images.shape == (3, resolution, resolution, channels)
  logits, _ = jax.eval_shape(
    lambda: d.init_with_output(jax.random.key(0), jnp.zeros(images.shape), LABELS, train=False)
  )
  assert logits.shape == (3,)


@pytest.mark.parametrize('size', [(16, 24), (32, 16), (64, 16)])
def test_it_makes_and_scores_images_that_are_not_square(size):
  g = dcgan.Generator(size, 3, 8, width=4)
  d = dcgan.Discriminator(size, 3, width=4)
  images, _ = jax.jit(
    lambda: g.init_with_output(jax.random.key(0), jnp.ones((3, 8)), LABELS, train=False)
  )()
  assert images.shape == (3, *size, 3)
  assert np.std(images[0]) > 0
  score = lambda x: d.init_with_output(jax.random.key(1), x, LABELS, train=False)[0].sum()
  # Every pixel of every image has a part in the logit.
  assert (jax.jit(jax.grad(score))(images) != 0).any(axis=-1).all()


def test_a_longer_side_that_does_not_halve_is_refused():
  with pytest.raises(UserError, match=r'dataset.resolution=32, dataset.width=36: .*multiple of 8'):
    _shapes(dcgan.Generator((32, 36), 1, 8), jnp.zeros((3, 8)), LABELS)


@pytest.mark.parametrize('resolution', [8, 24, 100])
def test_another_resolution_is_refused_by_its_key(resolution):
  for module, x in (
    (dcgan.Generator(resolution, 1, 8), jnp.zeros((3, 8))),
    (dcgan.Discriminator(resolution, 1), jnp.zeros((3, resolution, resolution, 1))),
  ):
    with pytest.raises(UserError, match=f'dataset.resolution={resolution}.*16, 32'):
      _shapes(module, x, LABELS)


@pytest.fixture(scope='module')
def generated():
  g = dcgan.Generator(16, 1, 8, num_classes=3, width=8)
  variables = g.init(jax.random.key(0), jnp.zeros((3, 8)), LABELS, train=False)
  apply = jax.jit(lambda z, labels: g.apply(variables, z, labels, train=False))
  return apply


def test_images_lie_within_one_and_depend_on_the_label_only_where_conditional(generated):
  z = jnp.tile(jax.random.normal(jax.random.key(1), (1, 8)), (3, 1))
  images = generated(z, LABELS)
  assert np.abs(images).max() <= 1
  assert not np.allclose(images[0], images[1], atol=1e-6)
  np.testing.assert_array_equal(generated(z, jnp.zeros_like(LABELS))[0], images[0])


def test_training_updates_the_averages_towards_the_batch():
  d = dcgan.Discriminator(16, 1, width=8)
  x = jax.random.normal(jax.random.key(1), (3, 16, 16, 1)) + 3.0
  variables = d.init(jax.random.key(0), x, LABELS, train=False)
  _, updated = jax.jit(lambda: d.apply(variables, x, LABELS, train=True, mutable=['batch_stats']))()
  means = lambda stats: jax.tree.leaves(stats['batch_stats'])[0]
  assert np.abs(means(variables)).max() == 0
  assert np.abs(means(updated)).max() > 0


def test_without_a_norm_examples_do_not_see_each_other():
  d = dcgan.Discriminator(16, 1, width=8, discriminator_norm='none')
  x = jax.random.normal(jax.random.key(1), (3, 16, 16, 1))
  variables = d.init(jax.random.key(0), x, LABELS, train=False)
  assert set(variables) == {'params'}
  score = jax.jit(lambda x: d.apply(variables, x, LABELS[: len(x)], train=True))
  np.testing.assert_allclose(score(x)[:1], score(x[:1]), rtol=1e-5, atol=1e-6)


def test_an_unknown_norm_is_refused():
  with pytest.raises(UserError, match="discriminator_norm='layer'"):
    _shapes(
      dcgan.Discriminator(16, 1, discriminator_norm='layer'), jnp.zeros((3, 16, 16, 1)), LABELS
    )
