"""The forms for TPUs against the plain ones, and what is lowered for a TPU that is not there."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.models.layers import Conv
from gan_jax.models.r3gan import _Block
from gan_jax.ops import conv, conv_tpu, lanes, pointwise, resample
from gan_jax.ops.window import Window

PADDED = ((1, 1), (1, 1))
WINDOWS = {  # window, channels of a group in the images and in the result
  'all in one': (Window((4, 5), (3, 3), 1, PADDED, 12), 4, 4),
  'two of many': (Window((3, 3), (3, 3), 1, PADDED, 32), 8, 8),
  'with a stride': (Window((6, 4), (3, 2), 2, ((0, 1), (1, 0)), 3), 5, 2),
  'wide ones stay': (Window((3, 2), (3, 3), 1, PADDED, 2), 128, 130),
  'one': (Window((3, 4), (3, 3), 1, PADDED, 1), 3, 2),
}


def draw(*shapes):
  rng = np.random.default_rng(0)
  return [jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in shapes]


@pytest.mark.parametrize(
  ('groups', 'channels', 'expected'),
  [
    (12, 16, 12),  # 192 channels: six of them leave lanes empty, eight do not divide them
    (96, 16, 8),
    (48, 16, 8),
    (2, 128, 1),
    (4, 4, 4),  # never filled
    (97, 16, 1),  # a prime number of groups: all in one would be 97 times the work
    (22, 16, 11),
    (1, 3, 1),
  ],
)
def test_groups_are_merged_until_they_fill_the_lanes(groups, channels, expected):
  assert lanes.merging(groups, channels) == expected


def test_a_spread_kernel_is_zero_between_groups_and_the_kernel_within():
  groups, merged, channels, features = 6, 3, 2, 4
  (kernel,) = draw((3, 1, channels, groups * features))
  found = np.asarray(lanes.spread(kernel, groups, merged))
  expected = np.zeros((3, 1, merged * channels, groups * features), np.float32)
  for group in range(groups):
    first = group % merged * channels
    columns = slice(group * features, (group + 1) * features)
    expected[:, :, first : first + channels, columns] = kernel[..., columns]
  np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize('name', WINDOWS)
def test_merged_groups_convolve_as_groups_do_and_so_do_both_gradients(name):
  window, channels, features = WINDOWS[name]
  x, w, g = draw(
    (2, *window.inputs, channels * window.groups),
    (*window.kernel, channels, features * window.groups),
    (2, *window.outputs, features * window.groups),
  )
  for plain, ours, at in (
    (conv._forward_plain, conv_tpu.forward, (x, w)),
    (conv._input_gradient_plain, conv_tpu.input_gradient, (g, w)),
    (conv._weight_gradient_plain, conv_tpu.weight_gradient, (x, g)),
  ):
    with jax.default_matmul_precision('float32'):
      np.testing.assert_allclose(ours(window, *at), plain(window, *at), rtol=1e-4, atol=1e-4)
    of_rounded = plain(window, *(a.astype(jnp.bfloat16).astype(jnp.float32) for a in at))
    np.testing.assert_allclose(ours(window, *at), of_rounded, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('shape', [(2, 3, 4, 5), (3, 5)])
def test_pixels_are_multiplied_as_by_numpy_in_both_forms(shape):
  x, w, g = draw(shape, (5, 6), (*shape[:-1], 6))
  rows = lambda x: np.asarray(x).reshape(-1, x.shape[-1])
  expected = (
    np.asarray(x) @ np.asarray(w),
    np.asarray(g) @ np.asarray(w).T,
    rows(x).T @ rows(g),
  )
  for forms in (pointwise._products, pointwise._convolutions):
    for form, at, value in zip(forms, ((x, w), (g, w), (x, g)), expected, strict=True):
      with jax.default_matmul_precision('float32'):
        np.testing.assert_allclose(form(None, *at), value, rtol=1e-4, atol=1e-5)


def test_resampling_by_a_convolution_is_that_by_shifts():
  for size in ((6, 4), (2, 8)):
    (x,) = draw((2, *size, 3))
    for plain, ours in (
      (resample._up_by_all_shifts, resample._up_by_convolution),
      (resample._down_by_all_shifts, resample._down_by_convolution),
    ):
      np.testing.assert_allclose(ours(None, x), plain(None, x), rtol=1e-5, atol=1e-6)


def test_float32_is_resampled_in_float32_on_a_tpu():
  """Whose convolutions round their arguments to bfloat16, if nothing else is said."""
  text = lowered(
    lambda x: resample.upsample(resample.downsample(x)), 'tpu', jnp.zeros((2, 4, 4, 3))
  )
  assert text.count('stablehlo.convolution') == text.count('precision HIGHEST, precision HIGHEST')
  assert text.count('stablehlo.convolution') == 2


@pytest.mark.parametrize(
  ('precision', 'kinds'), [(None, {'bf16'}), ('bfloat16', {'bf16'}), ('float32', {'f32'})]
)
def test_a_tpu_convolves_what_is_rounded_beforehand_unless_told_otherwise(precision, kinds):
  """Both gradients and their own as well; results are float32."""
  x, w = jnp.zeros((2, 4, 4, 3)), jnp.zeros((3, 3, 3, 2))
  length = lambda x, w: jnp.square(conv.conv(x, w, padding=1)).sum()
  both = lambda x, w: jnp.square(jax.grad(length)(x, w)).sum()
  with jax.default_matmul_precision(precision):
    text = lowered(jax.grad(both, (0, 1)), 'tpu', x, w)
  types = re.findall(r'stablehlo.convolution.* : \((.*)\) -> (.*)', text)
  assert len(types) > 5
  assert {kind for taken, _ in types for kind in re.findall(r'x([a-z]+\d+)>', taken)} == kinds
  assert all(made.endswith('xf32>') for _, made in types)


def lowered(function, platform, *arguments):
  text = jax.jit(function).trace(*arguments).lower(lowering_platforms=(platform,)).as_text()
  return re.sub(r'#stablehlo<precision (\w+)>', r'precision \1', text)


def test_a_tpu_gets_no_rows_of_pixels_and_no_narrow_groups():
  """A block of R3GAN with its second derivatives: what is lowered for a TPU, a GPU and a CPU."""
  block = _Block(depth=2, expansion=2, group_size=16)
  x = jax.ShapeDtypeStruct((2, 8, 8, 96), jnp.float32)
  params = jax.eval_shape(lambda x: block.init(jax.random.key(0), x), x)

  def penalty(params, x):
    at_images = jax.grad(lambda x: block.apply(params, x).sum())(x)
    return jnp.sum(jnp.square(at_images))

  text = {p: lowered(jax.grad(penalty), p, params, x) for p in ('tpu', 'cuda', 'cpu')}
  groups = {p: set(re.findall(r'feature_group_count = (\d+)', text[p])) for p in text}
  assert groups == {'tpu': {'1'}, 'cuda': {'1', '12'}, 'cpu': {'1'}}
  rows = {p: f'tensor<{2 * 8 * 8}x' in text[p] for p in text}
  assert rows == {'tpu': False, 'cuda': True, 'cpu': True}
  assert 'dot_general' not in text['tpu']
  assert 'while' in text['cpu']
  assert 'while' not in text['tpu']


def test_a_convolution_of_one_pixel_is_the_same_layer_with_the_same_weights():
  layer = Conv(4, 1)
  (x,) = draw((2, 3, 3, 5))
  variables = layer.init(jax.random.key(0), x)
  kernel = variables['params']['kernel']
  assert kernel.shape == (1, 1, 5, 4)
  expected = jax.lax.conv_general_dilated(
    x, kernel, (1, 1), 'VALID', dimension_numbers=('NHWC', 'HWIO', 'NHWC')
  )
  np.testing.assert_allclose(layer.apply(variables, x), expected, rtol=1e-5, atol=1e-6)
