"""DiffAugment's operations against renderings of the same draws by NumPy, and its laws."""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UserError
from gan_jax.training import draws as draws_of
from gan_jax.training.augment import diffaugment
from gan_jax.training.augment.diffaugment import Settings

GROUPS = ('color', 'translation', 'cutout')
SIZES = [(16, 16), (9, 12), (5, 7)]
of_groups = pytest.mark.parametrize('name', GROUPS)
of_sizes = pytest.mark.parametrize('size', SIZES)
of_channels = pytest.mark.parametrize('channels', [1, 3, 4])


def keys(count, seed=0):
  return draws_of.per_example(jax.random.key(seed), jnp.arange(count))


def pictures(count=6, size=(9, 12), channels=3, seed=0):
  shape = (count, *size, channels)
  return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


@functools.cache
def compiled(settings):
  return jax.jit(lambda k, x, p: diffaugment.augment(k, x, p, settings))


def run(images, settings=None, strength=1.0, seed=0):
  function = compiled(settings or Settings())
  return np.asarray(function(keys(len(images), seed), images, jnp.float32(strength)))


def fill(channels):
  return np.array([0, 0, 0, -1][:channels] if channels == 4 else [0] * channels)


def color_by_numpy(image, draw):
  added, saturation, contrast = draw
  result = image.astype(np.float64)
  colour = result[..., :3] + added
  if image.shape[-1] > 1:
    grey = sum(colour[..., c] for c in range(3))[..., None] / 3
    colour = grey + saturation * (colour - grey)
  result[..., :3] = colour.mean() + contrast * (colour - colour.mean())
  return result


def translation_by_numpy(image, draw):
  (H, W, C), (down, right) = image.shape, draw
  result = np.empty((H, W, C))
  for i, j in itertools.product(range(H), range(W)):
    inside = 0 <= i - down < H and 0 <= j - right < W
    result[i, j] = image[i - down, j - right] if inside else fill(C)
  return result


def cutout_by_numpy(image, draw, share=0.5):
  """As published: each of the rectangle's places is moved to the nearest one inside."""
  (H, W, C), result = image.shape, image.astype(np.float64)
  places = [
    np.clip(start + np.arange(math.floor(side * share + 0.5)), 0, side - 1)
    for start, side in zip(draw, (H, W), strict=True)
  ]
  for i, j in itertools.product(*places):
    result[i, j] = fill(C)
  return result


BY_NUMPY = {
  'color': color_by_numpy,
  'translation': translation_by_numpy,
  'cutout': cutout_by_numpy,
}


@functools.cache
def drawing(name, size, settings):
  if name == 'color':
    return jax.jit(lambda keys: diffaugment.draw_color(keys, settings))
  return jax.jit(lambda keys: getattr(diffaugment, f'draw_{name}')(keys, size, settings))


def drawn(name, keys, size, settings):
  """What a group draws of its own keys, a row an image."""
  draw = drawing(name, size, settings)(keys)
  return np.stack([np.asarray(x).reshape(-1) for x in draw], axis=1)


@of_groups
@of_sizes
@of_channels
def test_operations_are_what_numpy_renders_of_the_same_draws(name, size, channels):
  settings, images = Settings(), pictures(8, size, channels)
  found = jax.jit(lambda k, x: getattr(diffaugment, name)(k, x, settings))(keys(8), images)
  draws = drawn(name, keys(8), size, settings)
  expected = np.stack([BY_NUMPY[name](*each) for each in zip(images, draws, strict=True)])
  # Whole pixels are moved as they are, to the last bit.
  np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 if name == 'color' else 0)
  assert not np.array_equal(found, images)


@pytest.mark.parametrize('order', list(itertools.permutations(GROUPS)))
def test_groups_are_done_in_the_order_of_the_policy(order):
  settings, images = Settings(policy=' , '.join(order)), pictures(channels=4)
  expected = list(images)
  for name in order:
    _, (own,) = diffaugment.draw_keys(keys(len(images)), [name])
    draws = drawn(name, own, images.shape[1:3], settings)
    expected = [BY_NUMPY[name](*each) for each in zip(expected, draws, strict=True)]
  np.testing.assert_allclose(run(images, settings), np.stack(expected), atol=1e-5)


def test_alpha_has_no_colour_and_what_is_uncovered_is_transparent():
  images = pictures(20, (16, 16), 4)
  images[..., 3] = 1.0
  coloured = run(images, Settings(policy='color'))
  np.testing.assert_array_equal(coloured[..., 3], images[..., 3])
  for name in ('translation', 'cutout'):
    found = run(images, Settings(policy=name))
    gone = found[..., 3] == -1
    assert gone.any()
    assert (found[gone][:, :3] == 0).all()
    assert (found[~gone][:, 3] == 1).all()


def test_grey_is_three_equal_channels():
  """Saturation leaves it alone; all else does to it what it does to a grey colour picture."""
  grey = pictures(channels=1)
  colour = np.repeat(grey, 3, axis=3)
  np.testing.assert_allclose(np.repeat(run(grey), 3, axis=3), run(colour), atol=1e-5)
  only = Settings(policy='color', brightness=0.0, contrast=0.0)
  np.testing.assert_allclose(run(grey, only), grey, atol=1e-6)


@pytest.mark.parametrize('dtype', [jnp.float32, jnp.bfloat16])
@of_channels
def test_strength_zero_leaves_every_bit(dtype, channels):
  images = jnp.asarray(pictures(channels=channels), dtype)
  found = run(images, strength=0)
  assert found.dtype == dtype
  assert found.tobytes() == np.asarray(images).tobytes()


def test_an_image_draws_the_same_in_any_batch():
  images = pictures(6)
  whole = run(images, strength=0.7)
  function = lambda k, x: compiled(Settings())(k, x, jnp.float32(0.7))
  order = np.array([4, 1, 3])
  np.testing.assert_allclose(function(keys(6)[order], images[order]), whole[order], atol=1e-6)
  np.testing.assert_allclose(function(keys(6)[2:3], images[2:3])[0], whole[2], atol=1e-6)


@of_channels
def test_it_is_affine_in_the_image(channels):
  """So its derivative is the same everywhere, and the second one is zero."""
  images, other, cotangents = (pictures(4, channels=channels, seed=seed) for seed in range(3))
  function = lambda x: compiled(Settings())(keys(4), x, jnp.float32(0.8))
  value, moved = jax.jvp(function, (images,), (other,))
  np.testing.assert_allclose(moved, jax.jvp(function, (other,), (other,))[1], atol=1e-5)
  np.testing.assert_allclose(function(images + other) - value, moved, atol=1e-5)
  pull_back = lambda x: jax.vjp(function, x)[1](cotangents)[0]
  pulled, second = jax.jvp(pull_back, (images,), (other,))
  np.testing.assert_allclose(np.vdot(pulled, other), np.vdot(cotangents, moved), rtol=1e-4)
  assert not np.asarray(second).any()


def test_a_gradient_penalty_goes_through_it():
  images = jnp.asarray(pictures(3))

  def penalty(a):
    score = lambda x: jnp.tanh(
      a * diffaugment.augment(keys(3), x, jnp.float32(1), Settings())
    ).sum()
    return jnp.sum(jax.grad(score)(images) ** 2)

  both, small = jax.jit(jax.value_and_grad(penalty)), 1e-2
  value, slope = both(0.5)
  numeric = (both(0.5 + small)[0] - both(0.5 - small)[0]) / (2 * small)
  np.testing.assert_allclose(slope, numeric, rtol=2e-2)
  assert value > 0


def test_no_pixel_is_gathered_or_scattered_and_none_is_rounded():
  """Forwards and backwards; on GPU and TPU a product of less precision would round pixels."""
  images = jnp.asarray(pictures())
  function = lambda x: diffaugment.augment(keys(len(images)), x, jnp.float32(1), Settings())
  both = lambda x: jax.vjp(function, x)[1](x)
  primitives = list(_equations(jax.make_jaxpr(both)(images).jaxpr))
  of_images = [e for e in primitives if any(v.aval.size >= images.size for v in e.outvars)]
  assert not [e for e in of_images if e.primitive.name.startswith(('gather', 'scatter'))]
  products = [e.params['precision'] for e in primitives if e.primitive.name == 'dot_general']
  assert len(products) == 4
  assert all(p == (jax.lax.Precision.HIGHEST,) * 2 for p in products)


def _equations(jaxpr):
  """All equations of a program and of the programs within it."""
  holds = lambda value: hasattr(value, 'eqns') or hasattr(value, 'jaxpr')
  for equation in jaxpr.eqns:
    yield equation
    for value in jax.tree.leaves(list(equation.params.values()), is_leaf=holds):
      inner = getattr(value, 'jaxpr', value)
      if hasattr(inner, 'eqns'):
        yield from _equations(inner)


@pytest.mark.parametrize('strength', [0.0, 0.5, 1.0])
def test_bfloat16_is_rounded_once_a_group(strength):
  images = jnp.asarray(pictures(), jnp.bfloat16)
  found = run(images, strength=strength)
  assert found.dtype == jnp.bfloat16
  expected = run(np.asarray(images, np.float32), strength=strength)
  np.testing.assert_allclose(found.astype(np.float32), expected, atol=2e-2)
  moved = Settings(policy='translation,cutout')
  exact = run(np.asarray(images, np.float32), moved)
  np.testing.assert_array_equal(run(images, moved).astype(np.float32), exact)


@pytest.mark.parametrize(
  ('changes', 'match'),
  [
    ({'policy': 'colour,cutout'}, r"config\.diffaugment\.policy='colour,cutout': did you mean 'c"),
    ({'policy': 'color,flip'}, r'config\.diffaugment\.policy=.*accepted: color, cutout, trans'),
    ({'policy': ''}, r"config\.diffaugment\.policy='': accepted: color, cutout, translation"),
    ({'policy': 'color,cutout,color'}, 'color is there twice'),
    ({'brightness': -0.1}, r'config\.diffaugment\.brightness=-0\.1: accepted: 0 to 1'),
    ({'saturation': 1.5}, r'config\.diffaugment\.saturation=1\.5: '),
    ({'contrast': math.nan}, r'config\.diffaugment\.contrast=nan: '),
    ({'translation': 1.01}, r'config\.diffaugment\.translation=1\.01: '),
    ({'cutout': -1.0}, r'config\.diffaugment\.cutout=-1\.0: '),
  ],
)
def test_settings_out_of_range_are_refused(changes, match):
  with pytest.raises(UserError, match=match):
    diffaugment.check(Settings(**changes), 3)


def test_settings_in_range_are_taken():
  for policy in ('color', 'cutout, translation', 'color,translation,cutout'):
    diffaugment.check(Settings(policy=policy, translation=1.0, cutout=0.0), 1)
