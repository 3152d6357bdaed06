"""What a step costs, against counts by hand, the compiler's own analysis, and loops in full."""

import importlib.util
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs.bench import dcgan64, r3gan32
from gan_jax import build
from gan_jax.forecast import costs, targets
from gan_jax.forecast.costs import Images

IMAGES = Images(channels=3)


def small(make=dcgan64.get_config):
  config = make()
  config.dataset.resolution = 16
  config.dcgan.width = 8
  config.r3gan.widths = (16, 16, 16)
  config.r3gan.blocks = 1
  config.train.batch_size = 8
  return config


def test_what_a_device_holds_is_the_state_and_its_share_of_the_batch():
  config = small()
  step = costs.step_of(config, IMAGES, devices=4)
  held = costs.held_by(step.state, step.batch)
  parts = build.networks(config, 3, 0)
  state = build.initial_program(config, parts)(jax.random.key(0))
  count = lambda tree: sum(x.nbytes for x in jax.tree.leaves(tree))
  weights = count((state.generator.params, state.discriminator.params))
  assert held['weights'] == weights
  assert held['optimisers'] == pytest.approx(2 * weights, rel=0.01)  # two moments of Adam
  assert held['average'] == count(state.ema)
  assert held['batch'] == 2 * (16 * 16 * 3 + 4)
  assert sum(held.values()) == count(state) + held['batch']


def test_sixteen_bits_take_twice_the_room():
  config = small()
  eight, sixteen = (
    costs.step_of(config, Images(1, 0, width), 1).batch['image'] for width in (1, 2)
  )
  assert eight.shape == sixteen.shape
  assert sixteen.dtype.itemsize == 2 * eight.dtype.itemsize


def test_parts_of_a_batch_are_all_counted():
  """A batch in four parts takes as many operations as whole, but for what is not cut."""
  config = small(r3gan32.get_config)
  whole = costs.work(costs.step_of(config, IMAGES, 1))
  config.train.accumulate = 4
  parts = costs.work(costs.step_of(config, IMAGES, 1))
  assert whole.rounds == 1
  assert parts.rounds > 2
  assert whole.flops <= parts.flops < 1.5 * whole.flops


def test_a_step_without_products_has_no_work_and_one_round():
  step = costs.Step(lambda state, batch: state + batch, jnp.zeros(3), jnp.zeros(3))
  assert costs.work(step) == (0.0, 1.0)


def test_a_gpu_is_estimated_by_the_plain_form_without_loops():
  """Operations are those that products and convolutions take, and what lies between them."""
  config = small(r3gan32.get_config)
  step = costs.step_of(config, IMAGES, 2)
  found = costs.of_step(step, targets.parse('gpu:h100:2'))
  assert found.estimated
  assert 0.9 * costs.work(step).flops < found.flops < 2 * costs.work(step).flops
  assert found.bytes_accessed > found.memory.arguments
  assert found.memory.arguments == pytest.approx(sum(found.held.values()), rel=0.01)
  assert found.memory.total >= found.memory.arguments + found.memory.temporary


@pytest.mark.parametrize(
  ('analysis', 'flops', 'moved'),
  [
    ({'flops': 7.0, 'bytes accessed': 11.0}, 21.0, 33.0),
    ({'bytes accessed': 11.0}, 500.0, 33.0),
    ({'flops': 7.0}, 21.0, None),
    ({'flops': -1.0, 'bytes accessed': -1.0}, 500.0, None),  # so XLA says that it does not know
    (None, 500.0, None),
  ],
)
def test_what_a_compiler_counts_is_of_all_rounds_and_what_it_does_not_is_not_made_up(
  monkeypatch, analysis, flops, moved
):
  monkeypatch.setattr(costs, 'work', lambda step: costs.Work(500.0, 3.0))
  monkeypatch.setattr(costs, 'held_by', lambda *_: {})
  monkeypatch.setattr(costs, 'memory_of', lambda compiled: 'memory')
  code = types.SimpleNamespace(generated_code_size_in_bytes=0)
  compiled = types.SimpleNamespace(cost_analysis=lambda: analysis, memory_analysis=lambda: code)
  found = costs.of_compiled(costs.Step(None, None, None), compiled)
  assert (found.flops, found.bytes_accessed) == (flops, moved)


@pytest.mark.parametrize(
  ('message', 'needed'),
  [
    (
      'RESOURCE_EXHAUSTED: Ran out of memory on HBM, the total memory required for HLO temporaries '
      '(100.00G) exceeds available HBM (15.75G).',
      100 * 2**30,
    ),
    ('RESOURCE_EXHAUSTED: in memory space hbm. Used 21.95G of 15.48G hbm.', int(21.95 * 2**30)),
    *[
      (f'RESOURCE_EXHAUSTED: Used 3{unit} of 2{unit} hbm.', 3 * 2**power)
      for unit, power in {'': 0, 'K': 10, 'M': 20, 'T': 40}.items()
    ],
    ('RESOURCE_EXHAUSTED: Out of memory allocating 4800000000 bytes.', None),
    ('INVALID_ARGUMENT: Used 21.95G of 15.48G hbm.', None),
  ],
)
def test_a_compiler_that_refuses_says_how_much_it_needs(message, needed):
  assert costs.needed_bytes(message) == needed


def test_a_step_that_does_not_fit_is_still_forecast(monkeypatch):
  said = 'RESOURCE_EXHAUSTED: HLO temporaries (18.00G) exceeds available HBM (15.75G).'

  def refuse(**_):
    raise jax.errors.JaxRuntimeError(said)

  monkeypatch.setattr(targets, 'tpu_devices', lambda target: None)
  monkeypatch.setattr(costs, '_mapped', lambda *_: types.SimpleNamespace(compile=refuse))
  step = costs.step_of(small(), IMAGES, 1)
  found = costs.of_step(step, targets.parse('tpu:v5e'))
  assert found.memory.temporary == 18 * 2**30
  assert found.memory.total == 18 * 2**30 + sum(found.held.values())
  assert found.flops == costs.work(step).flops
  assert found.bytes_accessed is None


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec('libtpu') is None, reason='takes libtpu')
def test_a_tpu_that_is_not_there_says_what_its_compiler_says():
  config = small()
  step = costs.step_of(config, IMAGES, 4)
  target = targets.parse('tpu:v5e:2x2')
  found = costs.of_step(step, target, effort=-1.0)
  shapes = jax.tree.map(
    lambda x: jax.ShapeDtypeStruct((4, *x.shape), x.dtype), (step.state, step.batch)
  )
  devices = targets.tpu_devices(target)
  mapped = jax.pmap(step.function, axis_name='devices', devices=devices, donate_argnums=0)
  lowered = mapped.lower(*shapes)
  assert 'conv_general_dilated' in lowered.as_text() or 'convolution' in lowered.as_text()
  jax.config.update('jax_exec_time_optimization_effort', -1.0)
  jax.config.update('jax_memory_fitting_effort', -1.0)
  try:
    memory = lowered.compile().memory_analysis()
  finally:
    jax.config.update('jax_exec_time_optimization_effort', 0.0)
    jax.config.update('jax_memory_fitting_effort', 0.0)
  assert found.memory.temporary == memory.temp_size_in_bytes
  assert found.memory.arguments == memory.argument_size_in_bytes
  assert found.memory.total == (
    memory.argument_size_in_bytes
    + memory.output_size_in_bytes
    - memory.alias_size_in_bytes
    + memory.temp_size_in_bytes
  )


def test_each_platform_gets_its_own_form_of_an_operation():
  """Lowered on this CPU for a TPU, a step holds no loop over groups, which the CPU's form has."""
  step = costs.step_of(small(r3gan32.get_config), IMAGES, 1)
  shapes = jax.tree.map(
    lambda x: jax.ShapeDtypeStruct((1, *x.shape), x.dtype), (step.state, step.batch)
  )
  traced = jax.jit(jax.vmap(step.function, axis_name='devices')).trace(*shapes)
  of = lambda platform: traced.lower(lowering_platforms=(platform,)).as_text()
  text = {platform: of(platform) for platform in ('cpu', 'tpu', 'cuda')}
  loops = {platform: text[platform].count('stablehlo.while') for platform in text}
  assert loops['cpu'] > loops['tpu'] == loops['cuda']
  # The generator's own forward pass waits for the discriminator's update, for the memory's sake.
  waits = {platform: text[platform].count('stablehlo.optimization_barrier') for platform in text}
  assert waits == {'cpu': 0, 'tpu': 1, 'cuda': 0}


def test_tree_bytes_are_those_of_shapes_and_arrays():
  assert costs.tree_bytes({'a': jnp.zeros((3, 2)), 'b': jax.ShapeDtypeStruct((5,), np.uint8)}) == 29
