import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from gan_jax.errors import UserError
from gan_jax.latents import space as spaces
from tests.sampling import drawn


def opened(name, space='', **options):
  model = drawn.model(name, **options)
  found = spaces.open_space(model.generator, space)
  return model, found, spaces.coordinates(found, model.variables)


def test_z_is_its_own_coordinates_and_as_long_as_the_chi_distribution_says():
  _, space, found = opened('dcgan')
  np.testing.assert_array_equal(found.basis, np.eye(8))
  np.testing.assert_array_equal(found.mean, np.zeros((3, 8)))
  assert space.name == 'z'
  chi = stats.chi(8)
  assert found.typical == pytest.approx(chi.mean(), rel=0.01)
  assert found.longest == pytest.approx(chi.ppf(0.9995), rel=0.05)
  assert found.shortest == pytest.approx(chi.ppf(0.0005), rel=0.3)


@pytest.mark.parametrize('name', ['stylegan2', 'gat'])
def test_coordinates_of_w_have_mean_0_and_covariance_1_within_a_class(name):
  model, space, found = opened(name)
  latents = model.latents(3000, seed=9)
  labels = np.tile([0, 1, 2], 1000)
  points = np.asarray(space.draw(model.variables, latents, labels))
  at = np.asarray(found.of(points, labels))
  np.testing.assert_allclose(found.points(at, labels), points, atol=2e-3)
  for label in range(3):
    assert np.abs(at[labels == label].mean(axis=0)).max() < 0.2
  variance = np.linalg.eigvalsh(np.cov(at[:, 0], rowvar=False))
  varying = variance[variance > 1e-3]  # w has no more directions than z where it is nearly linear
  assert len(varying) >= 8
  np.testing.assert_allclose(varying, 1, atol=0.25)


def test_the_lengths_of_a_mapping_that_is_affine_are_those_of_the_chi_distribution():
  """Of w = A z + m of its class, coordinates are z again but for a turn."""
  size, means = 8, 5 * np.arange(24.0).reshape(3, 8)
  turn = np.random.default_rng(0).normal(size=(size, size))
  w = lambda variables, z, labels, train, method: z @ turn + jnp.asarray(means)[labels]
  affine = types.SimpleNamespace(latent_size=size, apply=w)
  found = spaces.coordinates(spaces.Space('w', affine, 1, size, 0, 3), {})
  np.testing.assert_allclose(found.mean, means, atol=0.3)
  np.testing.assert_allclose(found.basis.T @ found.basis, turn.T @ turn, atol=0.8)
  np.testing.assert_allclose(found.basis @ found.inverse, np.eye(size), atol=1e-4)
  chi = stats.chi(size)
  assert found.typical == pytest.approx(chi.mean(), rel=0.01)
  assert found.longest == pytest.approx(chi.ppf(0.9995), rel=0.05)
  assert found.shortest == pytest.approx(chi.ppf(0.0005), rel=0.3)


def test_within_moves_hardly_a_draw_and_brings_the_rest_to_the_shell():
  _, _, found = opened('dcgan')
  at = jax.random.normal(jax.random.key(5), (4000, 1, 8))
  kept = np.asarray(found.within(at))
  assert np.mean(np.abs(kept - at).max(axis=(1, 2)) > 1e-5) < 0.005
  far = np.linalg.norm(found.within(10 * at), axis=-1)
  np.testing.assert_allclose(far[far > found.shortest * 1.01], found.longest, rtol=0.2)
  np.testing.assert_allclose(found.within(10 * at[:1]), found.within(20 * at[:1]), rtol=1e-5)
  assert np.isfinite(found.within(jnp.zeros((1, 1, 8)))).all()


@pytest.mark.parametrize('name', ['stylegan2', 'gat'])
def test_images_of_a_draw_are_those_that_the_model_makes(name):
  model = drawn.model(name)
  latents, labels = model.latents(3), np.array([0, 1, 2])
  expected = model.images(latents, labels, fixed_noise=True)
  for space_name in spaces.names(model.generator):
    space = spaces.open_space(model.generator, space_name)
    points = np.asarray(space.draw(model.variables, latents, labels))
    stored = space.as_stored(points)
    np.testing.assert_array_equal(space.from_stored(stored), points)
    if space_name == 'z':
      found = model.images(stored, labels, fixed_noise=True)
    else:
      found = model.images_of_styles(stored)
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_a_space_that_a_generator_lacks_is_refused():
  with pytest.raises(UserError, match=r'--space=w: accepted of this generator: z$'):
    spaces.open_space(drawn.model('dcgan').generator, 'w')
  with pytest.raises(UserError, match=r'--space=w\+: accepted of this generator: z, w$'):
    spaces.open_space(drawn.model('gat').generator, 'w+')
