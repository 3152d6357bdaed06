import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_jax.training import optim


def test_cosine_begins_and_ends_where_it_should():
  value = optim.cosine(2.0, 0.5, 1000)
  shown = jnp.array([0, 500, 1000, 5000])
  np.testing.assert_allclose(jax.vmap(value)(shown), [2.0, 1.25, 0.5, 0.5], rtol=1e-6)


@pytest.mark.parametrize(('final', 'images'), [(None, 1000), (0.5, 0)])
def test_without_an_end_or_a_length_it_is_constant(final, images):
  assert optim.cosine(2.0, final, images)(jnp.asarray(700.0)) == 2.0


def test_adam_is_the_published_update():
  constant = lambda value: optim.cosine(value, None, 0)
  tx = optim.adam(optim.Adam(constant(0.1), 0.5, constant(0.9)))
  params = jnp.array([1.0, -2.0])
  state, m, v, expected = tx.init(params), 0.0, 0.0, np.array(params)
  for t, gradient in enumerate(np.array([[0.3, -1.0], [0.5, 2.0], [-0.1, 0.2]]), start=1):
    updates, state = tx.update(jnp.asarray(gradient), state)
    params = params + updates
    m, v = 0.5 * m + 0.5 * gradient, 0.9 * v + 0.1 * gradient**2
    expected = expected - 0.1 * (m / (1 - 0.5**t)) / (np.sqrt(v / (1 - 0.9**t)) + 1e-8)
  np.testing.assert_allclose(params, expected, rtol=1e-5)


def test_adam_follows_a_schedule_in_images():
  constant = lambda value: optim.cosine(value, None, 0)
  tx = optim.adam(optim.Adam(optim.cosine(1.0, 0.0, 20), 0.0, constant(0.5), 0.0))
  state, sizes = tx.init(jnp.zeros(())), []
  for shown in (0.0, 10.0, 20.0, 30.0):
    update, state = tx.update(jnp.asarray(2.0), state, shown=jnp.asarray(shown))
    sizes.append(float(-update))
  # A constant gradient gives updates of the learning rate itself: after 0, 10, 20 and 30 images.
  np.testing.assert_allclose(sizes, [1.0, 0.5, 0.0, 0.0], atol=1e-6)


def test_the_decay_of_squares_follows_its_schedule_in_images_to_the_power_of_the_share():
  constant = lambda value: optim.cosine(value, None, 0)
  for share in (1.0, 0.5):
    chosen = optim.Adam(constant(0.1), 0.0, optim.cosine(0.9, 0.5, 100), share=share)
    tx = optim.adam(chosen)
    for shown, beta2 in ((0.0, 0.9), (50.0, 0.7), (1e6, 0.5)):
      _, state = tx.update(jnp.asarray(2.0), tx.init(jnp.zeros(())), shown=jnp.asarray(shown))
      np.testing.assert_allclose(state.nu, 4 * (1 - beta2**share), rtol=1e-5)


def test_epsilon_is_added_to_the_root():
  constant = lambda value: optim.cosine(value, None, 0)
  for epsilon in (1e-8, 1.0, 4.0):
    tx = optim.adam(optim.Adam(constant(0.1), 0.5, constant(0.9), epsilon))
    update, _ = tx.update(jnp.asarray(2.0), tx.init(jnp.zeros(())))
    np.testing.assert_allclose(update, -0.1 * 2 / (2 + epsilon), rtol=1e-5)


def test_a_warm_up_is_a_straight_line_from_zero():
  value = optim.cosine(2.0, 0.5, 1000, warmup=500)
  np.testing.assert_allclose(value(jnp.asarray(0.0)), 0.0)
  plain = optim.cosine(2.0, 0.5, 1000)
  shown = jnp.asarray(250.0)
  np.testing.assert_allclose(value(shown), plain(shown) / 2, rtol=1e-6)
  shown = jnp.asarray(700.0)
  np.testing.assert_allclose(value(shown), plain(shown), rtol=1e-6)


def test_weight_decay_takes_off_a_share_of_the_weights():
  constant = lambda value: optim.cosine(value, None, 0)
  chosen = optim.Adam(constant(0.1), 0.9, constant(0.99))
  params, gradient = jnp.array([3.0, -1.0]), jnp.array([0.5, 2.0])
  plain, decayed = (optim.adam(s) for s in (chosen, chosen._replace(weight_decay=0.2)))
  updates = [tx.update(gradient, tx.init(params), params)[0] for tx in (plain, decayed)]
  np.testing.assert_allclose(updates[1] - updates[0], -0.1 * 0.2 * params, rtol=1e-5)


def test_a_gradient_is_clipped_by_its_norm_over_all_weights():
  """Adam's first average is (1 − β₁) g: what it holds is the clipped gradient."""
  constant = lambda value: optim.cosine(value, None, 0)
  tx = optim.adam(optim.Adam(constant(0.1), 0.5, constant(0.9), clip_norm=1.0))
  gradient = {'a': jnp.array([3.0]), 'b': jnp.array([[4.0]])}
  params = {'a': jnp.array([-20.0]), 'b': jnp.array([[10.0]])}
  _, state = tx.update(gradient, tx.init(params), params)
  np.testing.assert_allclose(state.mu, 0.5 * np.array([0.6, 0.8]), rtol=1e-5)
  small = jax.tree.map(lambda x: x / 100, gradient)
  _, state = tx.update(small, tx.init(params), params)  # as it is
  np.testing.assert_allclose(state.mu, 0.5 * np.array([0.03, 0.04]), rtol=1e-5)


def test_the_share_of_a_lazy_regulariser_scales_rate_and_powers():
  """k updates of the loss and one of the regulariser decay as much as k updates without it."""
  constant = lambda value: optim.cosine(value, None, 0)
  share = 4 / 5
  tx = optim.adam(optim.Adam(constant(0.1), 0.5, constant(0.9), share=share))
  state = tx.init(jnp.zeros(()))
  update, state = tx.update(jnp.asarray(2.0), state)
  np.testing.assert_allclose(update, -0.1 * share, rtol=1e-5)
  for _ in range(4):
    _, state = tx.update(jnp.asarray(0.0), state)
  np.testing.assert_allclose(state.mu, (1 - 0.5**share) * 2.0 * 0.5 ** (4 * share), rtol=1e-5)


NUMBERS = st.floats(0.0, 10.0, width=32)
LENGTHS = st.floats(1.0, 1e9, width=32)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(NUMBERS, NUMBERS, LENGTHS, LENGTHS, st.lists(st.floats(0, 1e10, width=32), max_size=5))
def test_a_schedule_goes_one_way_from_its_first_value_to_its_last(start, final, length, warmup, at):
  value = lambda shown, **how: float(optim.cosine(start, final, length, **how)(jnp.float32(shown)))
  close = functools.partial(pytest.approx, rel=1e-4, abs=1e-4)
  assert value(0) == close(start)
  assert value(length) == value(2 * length) == close(final)
  assert value(length / 2) == close((start + final) / 2)
  values = [value(shown) for shown in sorted(at)]
  steps = np.diff(values) * (1 if final >= start else -1)
  assert (steps >= -1e-4).all()
  for shown, plain in zip(sorted(at), values, strict=True):
    assert value(shown, warmup=warmup) == close(plain * min(shown / warmup, 1))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.floats(1.0, 1e6), st.floats(0.01, 1.0), st.floats(1.0, 1e7), st.integers(1, 512))
def test_the_decay_of_parts_of_a_step_is_that_of_the_whole(half_life, ramp, shown, images):
  decay = lambda images, ramp=0.0: float(
    optim.ema_decay(jnp.float32(half_life), ramp, jnp.float32(shown), images)
  )
  assert decay(2 * images) == pytest.approx(decay(images) ** 2, rel=1e-3, abs=1e-6)
  assert decay(images, ramp) <= decay(images)
  expected = 0.5 ** (images / min(half_life, ramp * shown))
  assert decay(images, ramp) == pytest.approx(expected, rel=1e-3, abs=1e-6)


def test_ema_halves_in_a_half_life():
  decay = optim.ema_decay(jnp.asarray(1000.0), 0.0, jnp.asarray(0.0), 100)
  np.testing.assert_allclose(decay**10, 0.5, rtol=1e-5)


def test_ema_ramp_limits_the_memory_to_a_share_of_what_was_shown():
  decay = lambda shown: optim.ema_decay(jnp.asarray(1e4), 0.1, jnp.asarray(shown), 100)
  assert decay(0.0) == 0.0  # at the start the average is the params themselves
  np.testing.assert_allclose(decay(1000.0), 0.5, rtol=1e-6)
  np.testing.assert_allclose(decay(1e9), 0.5**0.01, rtol=1e-6)


def test_decay_zero_copies_and_decay_one_keeps():
  old, new = {'a': jnp.array([1.0, 2.0])}, {'a': jnp.array([0.1, 0.7])}
  assert (optim.moving_average(old, new, jnp.asarray(0.0))['a'] == new['a']).all()
  np.testing.assert_allclose(optim.moving_average(old, new, jnp.asarray(1.0))['a'], old['a'])
