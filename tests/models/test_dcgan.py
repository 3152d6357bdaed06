import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import default
from gan_jax.build import players
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
  message = "config.dcgan.discriminator_norm='layer': accepted: batch, none, spectral"
  with pytest.raises(UserError, match=message):
    _shapes(
      dcgan.Discriminator(16, 1, discriminator_norm='layer'), jnp.zeros((3, 16, 16, 1)), LABELS
    )


def spectral(**options):
  """A discriminator of normalised weights, images for it, and its first variables."""
  options = {'num_classes': 3, 'width': 4, 'discriminator_norm': 'spectral', **options}
  d = dcgan.Discriminator(16, 1, **options)
  x = jax.random.normal(jax.random.key(1), (3, 16, 16, 1))
  return d, x, jax.jit(lambda: d.init(jax.random.key(0), x, LABELS, train=False))()


@pytest.mark.parametrize('condition', ['projection', 'concatenation', 'classifier'])
def test_spectral_normalisation_is_of_every_weight_and_leaves_parameters_as_they_are(condition):
  *_, variables = spectral(discriminator_condition=condition)
  *_, expected = spectral(discriminator_condition=condition, discriminator_norm='none')
  jax.tree.map(np.testing.assert_array_equal, variables['params'], expected['params'])
  weights = {name for name, layer in expected['params'].items() if 'bias' not in layer}
  assert set(variables['spectral']) == {f'{name}_spectral' for name in weights}


@pytest.mark.parametrize('condition', ['projection', 'concatenation', 'classifier'])
def test_spectrally_normalised_logits_do_not_depend_on_the_scale_of_a_weight(condition):
  d, x, variables = spectral(discriminator_condition=condition)
  score = jax.jit(lambda params: d.apply({**variables, 'params': params}, x, LABELS, train=False))
  expected = score(variables['params'])
  for number, (name, layer) in enumerate(sorted(variables['params'].items())):
    if 'bias' not in layer:
      scaled = jax.tree.map(lambda w, number=number: (2.0 + number) * w, layer)
      result = score({**variables['params'], name: scaled})
      close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
      jax.tree.map(close, result, expected)


def test_a_training_pass_moves_every_u_and_another_none():
  d, x, variables = spectral()
  run = lambda train: jax.jit(
    lambda: d.apply(variables, x, LABELS, train=train, mutable=['spectral'])
  )()[1]
  before, evaluated, trained = variables['spectral'], run(False)['spectral'], run(True)['spectral']
  jax.tree.map(np.testing.assert_array_equal, evaluated, before)
  close = jax.tree.map(lambda a, b: np.allclose(a, b, atol=1e-3), before, trained)
  still = {name for name, same in close.items() if jax.tree.all(same)}
  assert still == {'logit_spectral'}  # a single output has but one direction


def test_settings_of_spectral_normalisation_reach_it_from_the_config():
  config = default.get_config()
  config.dcgan.update({'discriminator_norm': 'spectral', 'spectral_iterations': 3})
  config.dcgan.spectral_epsilon = 1e-4
  d = players.networks(config, 1, 3).discriminator
  assert (d.spectral_iterations, d.spectral_epsilon) == (3, 1e-4)
  scores = []
  for options in ({}, {'spectral_iterations': 3}, {'spectral_epsilon': 5.0}):
    d, x, variables = spectral(**options)
    scores.append(jax.jit(lambda d=d, x=x, v=variables: d.apply(v, x, LABELS, train=False))())
  assert not np.allclose(scores[0], scores[1], rtol=1e-3)
  assert not np.allclose(scores[0], scores[2], rtol=1e-3)


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'spectral_iterations': 0}, 'config.dcgan.spectral_iterations=0: must be positive'),
    ({'spectral_epsilon': 0.0}, 'config.dcgan.spectral_epsilon=0.0: must be positive'),
    ({'embedding_size': 0}, 'config.dcgan.embedding_size=0: must be positive'),
  ],
)
def test_sizes_that_no_network_has_are_refused(change, message):
  with pytest.raises(UserError, match=message):
    _shapes(dcgan.Discriminator(16, 1, **change), jnp.zeros((3, 16, 16, 1)), LABELS)


@pytest.mark.parametrize('key', ['width', 'max_width', 'embedding_size'])
def test_sizes_that_no_generator_has_are_refused(key):
  generator = dcgan.Generator(16, 1, 8, num_classes=3, **{key: 0})
  with pytest.raises(UserError, match=f'config.dcgan.{key}=0: must be positive'):
    _shapes(generator, jnp.zeros((3, 8)), LABELS)
