"""What a compiler is told, by the platform; how many examples run at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

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


def test_shapes_without_data_are_those_of_what_a_step_is_given():
  state = {'weights': np.zeros((3, 2), np.float32), 'step': np.zeros((), np.int32)}
  examples = 3 * jax.device_count()
  batch = {
    'image': np.zeros((examples, 4, 5, 1), np.uint8),
    'label': np.zeros(examples, np.int32),
  }
  about = lambda tree: jax.tree.map(lambda x: (x.shape, x.dtype, x.sharding), tree)
  assert about(parallel.shapes_of(state)) == about(parallel.replicate(state))
  assert about(parallel.shapes_of(batch, sharded=True)) == about(parallel.shard(batch))


@pytest.mark.parametrize(
  ('shape', 'one_device'), [((64, 64, 3), 250), ((256, 256, 3), 250), ((1024, 1024, 3), 21)]
)
def test_large_images_go_through_a_network_fewer_at_once_small_ones_as_asked(shape, one_device):
  devices = jax.local_device_count()
  assert parallel.images_at_once(250 * devices, shape) == one_device * devices
  assert parallel.images_at_once(3, shape) == 3
  several = parallel.images_at_once(10**6, shape, layers=4)
  assert several == parallel.images_at_once(10**6, (*shape[:2], 4 * shape[2]))


def test_of_images_larger_than_the_bound_each_device_has_one(monkeypatch):
  monkeypatch.setattr(parallel, '_IMAGE_BYTES', 1)
  assert parallel.images_at_once(250, (64, 64, 3)) == jax.local_device_count()


def test_a_program_of_much_memory_runs_in_smaller_batches_to_the_same_results(monkeypatch):
  widened = lambda variables, x: jnp.sin(x[:, None] * variables[None, :, None]).sum(axis=1)
  variables = parallel.replicate(np.linspace(0, 9, 500, dtype=np.float32))
  x = np.random.default_rng(0).normal(size=(100, 30)).astype(np.float32)
  whole = list(parallel.map_batches(widened, 48)(variables, x))
  assert [len(part) for part in whole] == [48, 48, 4]
  monkeypatch.setattr(parallel, '_CPU_BYTES', jax.local_device_count())
  parts = list(parallel.map_batches(widened, 48)(variables, x))
  assert max(map(len, parts)) < 48
  np.testing.assert_allclose(np.concatenate(parts), np.concatenate(whole), rtol=1e-5, atol=1e-4)
