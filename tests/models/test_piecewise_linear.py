"""Discriminators that call themselves piecewise linear are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.models import dcgan, r3gan, resnet

SMALL = {'resolution': 16, 'channels': 2, 'num_classes': 3}
CONDITIONS = {
  dcgan: ('projection', 'concatenation', 'classifier', 'none'),
  r3gan: ('projection', 'classifier', 'none'),
  resnet: ('projection', 'classifier', 'none'),
}
OPTIONS = {
  'dcgan_none': (dcgan, {'width': 8, 'discriminator_norm': 'none'}),
  'dcgan_spectral': (dcgan, {'width': 8, 'discriminator_norm': 'spectral'}),
  'resnet_none': (resnet, {'width': 4, 'discriminator_norm': 'none'}),
  'resnet_spectral': (resnet, {'width': 4}),
  'r3gan': (r3gan, {'widths': (16, 8, 8), 'blocks': 1, 'group_size': 8}),
}
DISCRIMINATORS = {
  f'{name}_{condition}': model.Discriminator(discriminator_condition=condition, **options, **SMALL)
  for name, (model, options) in OPTIONS.items()
  for condition in CONDITIONS[model]
}
LABELS = jnp.array([0, 1, 2])


@pytest.fixture(params=DISCRIMINATORS)
def score(request, key):
  """Logits of images, with weights that are none of them zero."""
  module = DISCRIMINATORS[request.param]
  assert module.piecewise_linear
  x = jnp.zeros((3, 16, 16, 2))
  shapes = jax.eval_shape(lambda: module.init(key, x, LABELS, train=True))
  draw = lambda path, leaf: (
    0.2 * jax.random.normal(jax.random.fold_in(key, len(jax.tree_util.keystr(path))), leaf.shape)
  )
  variables = jax.tree_util.tree_map_with_path(draw, shapes)

  @jax.jit
  def apply(x):
    result = module.apply(variables, x, LABELS, train=True)
    return result['logits'] if isinstance(result, dict) else result

  return apply


def test_a_logit_depends_on_its_own_image_alone(score, key):
  x = jax.random.normal(key, (3, 16, 16, 2))
  before, after = score(x), score(x.at[1].set(-x[1]))
  np.testing.assert_array_equal(before[::2], after[::2])
  assert before[1] != after[1]


def test_a_logit_has_no_curvature(score, key):
  x, towards = jax.random.normal(key, (2, 3, 16, 16, 2))
  slope = jax.grad(lambda x: score(x).sum())
  _, curvature = jax.jit(lambda x: jax.jvp(slope, (x,), (towards,)))(x)
  assert jnp.abs(slope(x)).max() > 0
  assert not curvature.any()


def test_batch_normalisation_is_not_piecewise_linear():
  assert not dcgan.Discriminator(width=8, **SMALL).piecewise_linear
