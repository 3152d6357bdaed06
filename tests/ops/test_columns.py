"""Columns merged into channels: every form against the convolution of images as they are."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.models import r3gan
from gan_jax.models.r3gan import _Block
from gan_jax.ops import columns, conv, counting
from gan_jax.training.augment import ada_geometry

CASES = {  # images, kernel, columns that are one, groups
  'as R3GAN': ((2, 5, 8, 12), (3, 3, 4, 12), 4, 3),
  'of one group': ((1, 4, 6, 2), (3, 3, 2, 3), 2, 1),
  'of one pixel': ((2, 3, 8, 3), (1, 1, 3, 5), 4, 1),
  'as far as the next': ((1, 5, 12, 2), (5, 5, 2, 2), 2, 1),
}


def draw(*shapes):
  rng = np.random.default_rng(0)
  return [jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in shapes]


@pytest.mark.parametrize(
  ('size', 'channels', 'expected'),
  [
    ((1024, 1024), 24, 4),  # 96 of 128 lanes
    ((1024, 1024), 32, 4),
    ((512, 512), 48, 2),
    ((256, 256), 96, 1),
    ((256, 250), 3, 1),  # fewer pixels than 256×256
    ((512, 258), 3, 2),  # 258 halves once
  ],
)
def test_so_many_columns_are_merged_as_the_lanes_hold(size, channels, expected):
  assert columns.merging((2, *size, 3), channels) == expected


@pytest.mark.parametrize('name', CASES)
def test_merged_columns_are_convolved_as_columns_are_with_both_gradients(name):
  shape, kernel, count, groups = CASES[name]
  x, w, g = draw(shape, kernel, (*shape[:-1], kernel[-1]))
  plainly = lambda x, w: conv.conv(x, w, padding=kernel[0] // 2, groups=groups)
  merged = lambda x, w: columns.conv(columns.merge(x, count), w, count, groups)
  np.testing.assert_allclose(columns.part(merged(x, w), count), plainly(x, w), rtol=1e-4, atol=1e-5)
  pull = jax.vjp(plainly, x, w)[1](g)
  ours = jax.vjp(merged, x, w)[1](columns.merge(g, count))
  for a, b in zip(ours, pull, strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('name', CASES)
def test_the_forms_for_tpus_are_those_of_all_others(name):
  shape, kernel, count, groups = CASES[name]
  x, w, g = draw(shape, kernel, (*shape[:-1], kernel[-1]))
  x, g = columns.merge(x, count), columns.merge(g, count)
  static = (conv._window(shape[1:3], kernel, 1, kernel[0] // 2, groups), count)
  with jax.default_matmul_precision('float32'):
    for plain, ours, at in (
      (columns._apart, columns._merged, (x, w)),
      (columns._apart_at_images, columns._merged_at_images, (g, w)),
      (columns._apart_at_kernel, columns._merged_at_kernel, (x, g)),
    ):
      np.testing.assert_allclose(ours(static, *at), plain(static, *at), rtol=1e-4, atol=1e-4)


def test_a_window_beyond_the_next_column_is_refused():
  with pytest.raises(ValueError, match='reaches further than 1 column'):
    columns.conv(jnp.zeros((1, 4, 4, 2)), jnp.zeros((5, 5, 2, 2)), 1)


def test_operations_are_those_of_images_as_they_are():
  shape, kernel, count, groups = CASES['as R3GAN']
  x, w = jnp.zeros(shape), jnp.zeros(kernel)

  def counted(function):
    both = lambda x, w: jax.grad(lambda x, w: jnp.square(function(x, w)).sum(), (0, 1))(x, w)
    return sum(counting.multiply_adds(jax.make_jaxpr(both)(x, w)).values())

  plainly = counted(lambda x, w: conv.conv(x, w, padding=1, groups=groups))
  assert plainly == 3 * 2 * 5 * 8 * w.size
  assert counted(lambda x, w: columns.conv(columns.merge(x, count), w, count, groups)) == plainly


def test_a_block_of_r3gan_is_the_same_layer_with_the_same_weights():
  """With the penalty's derivative, through the gradient at the images."""
  block = _Block(depth=2, expansion=2, group_size=4)
  merged = block.clone(merged=4)
  (x,) = draw((2, 3, 8, 4))
  params = jax.jit(block.init)(jax.random.key(0), x)
  params = jax.tree.map(lambda p: p + 0.1, params)  # the last layer's are zero at first

  def penalty(block, params, x):
    at_images = jax.grad(lambda x: jnp.square(block.apply(params, x)).sum())(x)
    return jnp.square(at_images).sum()

  one = jax.jit(jax.grad(lambda p: penalty(block, p, x)))(params)
  other = jax.jit(jax.grad(lambda p: penalty(merged, p, columns.merge(x, 4))))(params)
  for a, b in zip(jax.tree.leaves(other), jax.tree.leaves(one), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3 * float(jnp.abs(b).max()))


def test_networks_of_large_images_have_the_weights_and_results_that_they_had(monkeypatch):
  sizes = {'widths': (8, 8, 4), 'blocks': 1, 'group_size': 4}
  g, d = r3gan.Generator(16, 3, 8, **sizes), r3gan.Discriminator(16, 3, **sizes)
  z, labels = jnp.ones((2, 8)), jnp.zeros(2, jnp.int32)

  def both():
    images, weights = jax.jit(
      lambda: g.init_with_output(jax.random.key(0), z, labels, train=False)
    )()
    logits, others = jax.jit(
      lambda: d.init_with_output(jax.random.key(1), images, labels, train=False)
    )()
    return images, logits, weights, others

  expected = both()
  monkeypatch.setattr(columns, '_LARGE', 1)
  assert columns.merging((2, 16, 16, 3), 4) == 16
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), both(), expected
  )


def test_ada_moves_large_images_in_turn_as_it_moves_them_at_once():
  (x,) = draw((3, 12, 10, 3))
  matrix = jnp.array([[0.9, 0.2, 1.0], [-0.3, 1.1, 0.5], [0, 0, 1]])
  matrices = jnp.stack([matrix, jnp.eye(3), matrix @ matrix])
  at_once, in_turn = ada_geometry._resample, ada_geometry._resample_in_turn
  np.testing.assert_allclose(in_turn(x, matrices), at_once(x, matrices), rtol=1e-4, atol=1e-5)
  gradient = lambda move: jax.grad(lambda x: (move(x, matrices) ** 3).sum())(x)
  np.testing.assert_allclose(gradient(in_turn), gradient(at_once), rtol=1e-3, atol=1e-3)


def test_a_tpu_convolves_what_fills_the_lanes():
  """A block of R3GAN's last stage at 1,024 pixels with its gradients, lowered and not compiled."""
  block = _Block(depth=2, expansion=2, group_size=16, merged=4)
  x = jax.ShapeDtypeStruct((1, 1024, 256, 4 * 24), jnp.bfloat16)
  params = jax.eval_shape(lambda x: block.init(jax.random.key(0), x), x)
  traced = jax.jit(jax.grad(lambda p, x: block.apply(p, x).sum(), (0, 1))).trace(params, x)
  taken = {
    platform: re.findall(
      r'stablehlo.convolution.* : \(tensor<1x1024x\d+x(\d+)x',
      traced.lower(lowering_platforms=(platform,)).as_text(),
    )
    for platform in ('tpu', 'cuda')
  }
  assert set(taken['tpu']) == {'96', '192'}
  assert set(taken['cuda']) == {'48'}  # and products, of one pixel each
