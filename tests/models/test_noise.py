import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from gan_jax.models import noise


def test_a_plane_is_of_its_latent_and_layer_alone():
  latents = jax.random.normal(jax.random.key(0), (6, 8))
  draw = jax.jit(lambda z, number: noise.planes(noise.keys_of(z), number, (4, 5)))
  whole, part = draw(latents, 1), draw(latents[2:4], 1)
  assert whole.shape == (6, 4, 5, 1)
  np.testing.assert_array_equal(whole[2:4], part)
  assert len(np.unique(np.asarray(whole)[:, 0, 0, 0])) == 6
  assert np.abs(draw(latents, 2) - whole).max() > 0.1


def test_the_last_bit_of_any_number_changes_a_plane():
  latents = np.asarray(jax.random.normal(jax.random.key(1), (1, 8)))
  for place in range(8):
    other = latents.copy()
    other[0, place] = np.nextafter(other[0, place], np.float32(9))
    keys = [jax.random.key_data(noise.keys_of(jnp.asarray(z))) for z in (latents, other)]
    assert (np.asarray(keys[0]) != np.asarray(keys[1])).all()


def test_planes_of_many_latents_are_normal_and_do_not_hang_together():
  latents = jax.random.normal(jax.random.key(2), (2000, 8))
  found = np.asarray(noise.planes(noise.keys_of(latents), 3, (2, 2))).reshape(2000, 4)
  assert stats.kstest(found.ravel(), 'norm').pvalue > 1e-3
  between = np.corrcoef(np.concatenate([found, np.asarray(latents)], axis=1).T)
  assert np.abs(between[:4, 4:]).max() < 0.1


def test_without_keys_it_is_one_plane_for_all():
  assert noise.planes(None, 1, (3, 3)).shape == (1, 3, 3, 1)


def test_it_is_added_in_the_measure_of_its_number():
  x = jnp.ones((2, 3, 3, 4))
  keys = noise.keys_of(jax.random.normal(jax.random.key(0), (2, 8)))
  module = noise.Noise(5)
  assert not module.init(jax.random.key(0), x, keys)['params']['strength']
  found = module.apply({'params': {'strength': jnp.float32(0.5)}}, x, keys)
  expected = 1 + 0.5 * noise.planes(keys, 5, (3, 3))
  np.testing.assert_allclose(found, jnp.broadcast_to(expected, x.shape), rtol=1e-6)
