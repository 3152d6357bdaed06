"""What a compiler is told, by the platform that it compiles for."""

import jax
import jax.numpy as jnp

from gan_jax.runtime import parallel


def test_options_are_those_of_the_platform_compiled_for():
  here = parallel.compiler_options()
  assert here == parallel.compiler_options('cpu') != {}
  assert all(name.startswith(('xla_cpu', 'xla_backend')) for name in here)
  assert parallel.compiler_options('tpu') == parallel.compiler_options('gpu') == {}


def test_who_asks_jax_to_compile_fast_is_given_no_level_of_ours():
  level = 'xla_backend_optimization_level'
  before = jax.config.read('jax_disable_most_optimizations')
  try:
    jax.config.update('jax_disable_most_optimizations', False)
    assert parallel.compiler_options()[level] == '1'
    jax.config.update('jax_disable_most_optimizations', True)
    assert level not in parallel.compiler_options()
  finally:
    jax.config.update('jax_disable_most_optimizations', before)


def test_a_step_can_be_for_some_devices():
  devices = jax.devices()[:2]
  program = parallel.pmap_step(lambda state, batch: (state + batch, {}), devices)
  shapes = [jax.ShapeDtypeStruct((2, 3), jnp.float32)] * 2
  compiled = parallel.compile_for(program, *shapes, platform='cpu')
  state, _ = compiled(jnp.ones((2, 3)), jnp.ones((2, 3)))
  assert state.tolist() == [[2.0] * 3] * 2
  assert state.sharding.device_set == set(devices)
