import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.training.augment import controller

SETTINGS = controller.Settings(target=0.6, ramp_images=80.0, interval=2, maximum=0.5)
BATCH = 4  # an adjustment moves by 2 · 4 / 80 = 0.1


def run(signs, state=None, first=0, settings=SETTINGS):
  """The strengths after each step."""
  state = controller.initial(settings) if state is None else state
  strengths = []
  for step, sign in enumerate(signs, start=first + 1):
    state = controller.observe(state, jnp.float32(sign))
    state = jax.jit(controller.adjust, static_argnums=(2, 3))(state, step, settings, BATCH)
    strengths.append(float(state.strength))
  return strengths, state


def test_it_follows_a_hand_run_trace():
  # Pairs of signs: means .7 (up), .55 (down), .9 (up), .9 (up), .6 (as it is).
  signs = [0.5, 0.9, 0.6, 0.5, 1.0, 0.8, 0.9, 0.9, 0.7, 0.5]
  expected = [0, 0.1, 0.1, 0.0, 0.0, 0.1, 0.1, 0.2, 0.2, 0.2]
  settings = controller.Settings(target=0.6, ramp_images=80.0, interval=2)
  found, _ = run(np.array(signs, np.float32), settings=settings)
  np.testing.assert_allclose(found[:8], expected[:8], atol=1e-6)
  exact = controller.Settings(target=0.5, ramp_images=80.0, interval=2, initial=0.3)
  np.testing.assert_allclose(run([0.25, 0.75], settings=exact)[0], [0.3, 0.3], atol=1e-6)


def test_it_stays_between_zero_and_its_maximum():
  found, _ = run([1.0] * 20 + [-1.0] * 20)
  assert max(found) == 0.5
  assert found[-1] == 0
  assert min(found) == 0


def test_stopped_between_two_adjustments_it_goes_on_as_if_it_had_not():
  signs = np.random.default_rng(0).uniform(0, 1, 20)
  whole, _ = run(signs)
  first, state = run(signs[:7])
  second, _ = run(signs[7:], state, first=7)
  assert first + second == whole
