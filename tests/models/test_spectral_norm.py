"""Spectral normalisation against singular values by NumPy, and its laws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from gan_jax.models.layers import Conv, ConvTranspose
from gan_jax.models.spectral_norm import SpectralNorm

IMAGES = jax.random.normal(jax.random.key(7), (2, 4, 4, 6))
# Layer, what it is called with, and its kernel as a matrix of outputs by the rest.
LAYERS = {
  'conv': (Conv(5, 3, padding=1), IMAGES, lambda w: w.reshape(-1, 5)),
  'conv_1x1': (Conv(5, 1), IMAGES, lambda w: w.reshape(-1, 5)),
  'conv_groups': (Conv(4, 3, groups=2), IMAGES, lambda w: w.reshape(-1, 4)),
  'conv_transpose': (ConvTranspose(5, 4), IMAGES, lambda w: np.moveaxis(w, 2, 0).reshape(5, -1)),
  'dense': (nn.Dense(5, use_bias=False), IMAGES[:, 0, 0], lambda w: w),
  'embed': (nn.Embed(3, 5), jnp.array([0, 2, 1]), lambda w: w),
}


@pytest.fixture(params=LAYERS)
def case(request):
  """A layer, its input, its matrix, the normalised layer and first variables of that."""
  layer, x, matrix = LAYERS[request.param]
  module = SpectralNorm(layer)
  return layer, x, matrix, module, init(module, x)


def init(module, x, seed=0):
  return jax.jit(lambda: module.init(jax.random.key(seed), x, train=False))()


def train(module, variables, x, passes):
  """Variables after so many training passes."""

  @jax.jit
  def step(variables):
    _, updated = module.apply(variables, x, train=True, mutable=['spectral'])
    return {**variables, **updated}

  for _ in range(passes):
    variables = step(variables)
  return variables


def sigma(layer, module, variables, x):
  """What the kernel is divided by: these layers are linear in it."""
  plain = layer.apply({'params': variables['params']['layer']}, x)
  result = module.apply(variables, x, train=False)
  # Least squares over all values, none of which needs to be far from 0.
  return jnp.vdot(plain, result) / jnp.vdot(result, result)


def scaled(variables, factor):
  return {**variables, 'params': jax.tree.map(lambda w: factor * w, variables['params'])}


def kernel_of(variables):
  (kernel,) = jax.tree.leaves(variables['params'])
  return np.asarray(kernel)


def test_sigma_is_the_largest_singular_value(case):
  layer, x, matrix, module, variables = case
  variables = train(module, variables, x, 50)
  largest = np.linalg.svd(matrix(kernel_of(variables)), compute_uv=False)[0]
  np.testing.assert_allclose(sigma(layer, module, variables, x), largest, rtol=1e-3)


def test_the_result_does_not_depend_on_the_scale_of_the_kernel(case):
  _, x, _, module, variables = case
  expected = module.apply(variables, x, train=False)
  for factor in (0.01, 30.0):
    result = module.apply(scaled(variables, factor), x, train=False)
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-6)


def test_the_gradient_has_no_part_along_the_kernel(case):
  _, x, _, module, variables = case

  def loss(params):
    y, _ = module.apply({**variables, 'params': params}, x, train=True, mutable=['spectral'])
    return jnp.sum(jnp.sin(3 * y))

  gradient, kernel = (
    kernel_of({'params': jax.grad(loss)(variables['params'])}),
    kernel_of(variables),
  )
  assert np.linalg.norm(gradient) > 0.01
  cosine = np.vdot(gradient, kernel) / np.linalg.norm(gradient) / np.linalg.norm(kernel)
  assert abs(cosine) < 1e-5


def test_u_is_a_unit_vector_that_training_alone_moves(case):
  _, x, _, module, variables = case
  (u,) = jax.tree.leaves(variables['spectral'])
  assert set(variables) == {'params', 'spectral'}
  np.testing.assert_allclose(np.linalg.norm(u), 1.0, rtol=1e-5)
  _, left = module.apply(variables, x, train=False, mutable=['spectral'])
  np.testing.assert_array_equal(jax.tree.leaves(left)[0], u)
  (moved,) = jax.tree.leaves(train(module, variables, x, 1)['spectral'])
  np.testing.assert_allclose(np.linalg.norm(moved), 1.0, rtol=1e-5)
  assert not np.allclose(moved, u, atol=1e-3)


def test_a_training_pass_that_may_store_nothing_gives_the_same_result(case):
  _, x, _, module, variables = case
  stored, _ = module.apply(variables, x, train=True, mutable=['spectral'])
  np.testing.assert_array_equal(module.apply(variables, x, train=True), stored)


def test_weights_are_those_of_the_layer_itself_at_its_place():
  class Network(nn.Module):
    normalise: bool

    @nn.compact
    def __call__(self, x, train):
      layer = Conv(5, 3, name='conv')
      return SpectralNorm(layer, name='conv_spectral')(x, train) if self.normalise else layer(x)

  plain, normalised = (init(Network(normalise), IMAGES) for normalise in (False, True))
  jax.tree.map(np.testing.assert_array_equal, plain['params'], normalised['params'])
  assert normalised['spectral']['conv_spectral']['kernel'].shape == (5,)


def test_a_bias_is_left_as_it_is():
  module = SpectralNorm(nn.Dense(5))
  variables = init(module, IMAGES)
  bias = jnp.arange(5.0)
  variables['params']['layer']['bias'] = bias
  np.testing.assert_allclose(module.apply(variables, jnp.zeros((1, 6)), train=False)[0], bias)
  assert set(variables['spectral']) == {'kernel'}


def test_a_first_pass_is_as_many_iterations_as_asked_for():
  """Against the power method in NumPy, u W and v Wᵀ in turn."""
  x = IMAGES[:, 0, 0]
  layer = nn.Dense(5, use_bias=False)
  variables = init(SpectralNorm(layer), x)
  (u,) = jax.tree.leaves(variables['spectral'])
  w = kernel_of(variables).T.astype(np.float64)  # outputs by the rest
  unit = lambda a: a / np.linalg.norm(a)
  found = []
  for iterations in (1, 2, 5):
    expected = np.asarray(u, np.float64)
    for _ in range(iterations):
      v = unit(expected @ w)
      expected = unit(v @ w.T)
    module = SpectralNorm(layer, iterations=iterations)
    (moved,) = jax.tree.leaves(train(module, variables, x, 1)['spectral'])
    np.testing.assert_allclose(moved, expected, rtol=1e-4, atol=1e-6)
    found.append(float(sigma(layer, module, variables, x)))
    np.testing.assert_allclose(found[-1], v @ w.T @ expected, rtol=1e-4)
  assert len(set(found)) == 3


def test_epsilon_is_the_least_norm_that_is_divided_by():
  x = IMAGES[:, 0, 0]
  layer = nn.Dense(5, use_bias=False)
  variables = init(SpectralNorm(layer), x)
  # Each factor of u W Wᵀ / (4 · 4), and σ itself, is divided by 4 where it is smaller.
  (u,) = jax.tree.leaves(variables['spectral'])
  w = kernel_of(variables)
  module = SpectralNorm(layer, epsilon=4.0)
  np.testing.assert_allclose(module.apply(variables, x, train=False), x @ w / 4, rtol=1e-4)
  (moved,) = jax.tree.leaves(train(module, variables, x, 1)['spectral'])
  np.testing.assert_allclose(moved, (w @ u / 4) @ w / 4, rtol=1e-4, atol=1e-6)


def test_a_vector_u_of_any_length_serves_outside_training(case):
  """So does a moving average of it, then, of the averaged weights."""
  _, x, _, module, variables = case
  shorter = {**variables, 'spectral': jax.tree.map(lambda u: 0.3 * u, variables['spectral'])}
  apply = lambda variables: module.apply(variables, x, train=False)
  np.testing.assert_allclose(apply(shorter), apply(variables), rtol=1e-4, atol=1e-6)


# A label has no gradient.
@pytest.mark.parametrize('case', [name for name in LAYERS if name != 'embed'], indirect=True)
def test_a_gradient_penalty_can_be_differentiated(case):
  """The derivative of a squared gradient, against finite differences."""
  _, x, _, module, variables = case
  # Once u and v have converged, σ changes with them in its second order alone.
  variables = train(module, variables, x, 300)

  @jax.jit
  def penalty(params):
    score = lambda x: jnp.sum(module.apply({**variables, 'params': params}, x, train=False) ** 2)
    return jnp.sum(jax.grad(score)(x) ** 2)

  gradient = kernel_of({'params': jax.grad(penalty)(variables['params'])})
  towards = jax.random.normal(jax.random.key(3), gradient.shape)
  moved = lambda step: jax.tree.map(lambda w: w + step * towards, variables['params'])
  difference = (penalty(moved(1e-3)) - penalty(moved(-1e-3))) / 2e-3
  np.testing.assert_allclose(np.vdot(gradient, towards), difference, rtol=0.02)


def test_devices_have_the_same_u_whatever_their_images():
  module = SpectralNorm(Conv(5, 3))
  variables = init(module, IMAGES)
  apply = lambda x: module.apply(variables, x, train=True, mutable=['spectral'])
  # `out_axes=None` raises for what differs between devices.
  jax.vmap(apply, axis_name='batch', out_axes=(0, None))(jnp.stack([IMAGES, -2 * IMAGES]))
