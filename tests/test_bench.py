"""What `launch.py bench` counts, against what the networks and a product say themselves."""

import json
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from configs.bench import dcgan64, r3gan32
from gan_jax import bench, build
from gan_jax.errors import UserError
from gan_jax.runtime import parallel


def small(make):
  """A bench config cut down to what compiles in seconds."""
  config = make()
  config.dataset.resolution = 16
  config.r3gan.widths = (16, 16, 16)
  config.r3gan.blocks = 1
  config.dcgan.width = 8
  config.train.batch_size = 8
  return config


def compiled_step(config):
  parts = build.networks(config, 3, 0)
  state = build.initial_program(config, parts)(jax.random.key(0))
  data = build.datasets(config).train
  batch = parallel.shard(next(build.batches(config, data, 0)))
  replicated = parallel.replicate(state)
  return state, build.step_program(config, parts).compiled(replicated, batch)


def test_a_step_all_reduces_its_gradients_and_metrics_once_and_nothing_else():
  state, program = compiled_step(small(r3gan32.get_config))
  weights = jax.tree.leaves((state.generator.params, state.discriminator.params))
  metrics = len(('r1', 'r2', 'd_loss', 'real_logit', 'fake_logit', 'd_real_sign', 'g_loss'))
  assert bench.all_reduced_bytes(program) == 4 * (sum(w.size for w in weights) + metrics)


def test_batch_norm_adds_its_statistics_and_their_gradients():
  state, program = compiled_step(small(dcgan64.get_config))
  weights = jax.tree.leaves((state.generator.params, state.discriminator.params))
  metrics = len(('d_loss', 'real_logit', 'fake_logit', 'd_real_sign', 'g_loss'))
  statistics = lambda player: sum(x.size for x in jax.tree.leaves(player.mutable))
  # Mean and square of each layer, forwards and backwards: the generator's once, the discriminator's
  # for reals and fakes in its own update and for the fakes in the generator's.
  extra = 2 * statistics(state.generator) + 6 * statistics(state.discriminator)
  assert bench.all_reduced_bytes(program) == 4 * (sum(w.size for w in weights) + metrics + extra)


def test_bytes_are_those_of_every_type_and_other_collectives_are_refused():
  run = lambda f, x: jax.pmap(f, axis_name='i').lower(x).compile()
  mean = lambda x: (jax.lax.pmean(x, 'i'), jax.lax.pmax(x[0].astype(jnp.int32), 'i'))
  assert bench.all_reduced_bytes(run(mean, jnp.zeros((8, 5)))) == 5 * 4 + 4
  assert bench.all_reduced_bytes(run(lambda x: 2 * x, jnp.zeros((8, 5)))) == 0
  with pytest.raises(ValueError, match='all-gather'):
    bench.all_reduced_bytes(run(lambda x: jax.lax.all_gather(x, 'i'), jnp.zeros((8, 5))))


def test_operations_are_those_of_the_convolutions():
  """Of an R3GAN step, dominated by convolutions and products, counted by hand per image."""
  config = small(r3gan32.get_config)
  config.r3gan.widths = (64, 64, 64)
  config.r3gan.expansion = 1
  parts = build.networks(config, 3, 0)
  state = parallel.replicate(build.initial_program(config, parts)(jax.random.key(0)))
  batch = parallel.shard(next(build.batches(config, build.datasets(config).train, 0)))
  counted = bench.step_flops(config, parts, state, batch)
  pixels = sum((4 << stage) ** 2 for stage in range(3))
  block = 2 * pixels * 64 * (64 + 16 * 9 + 64)  # one pass through the blocks of one network
  # Passes: G twice, backwards through G twice (input and weights); in D's update, on both halves,
  # forwards, backwards to the image, which the loss and the penalties share, then the gradients of
  # the weights from the loss and, of the penalties, of weights and slopes; in G's update D on reals
  # and fakes and backwards to the fakes.
  passes = 2 + 2 + 2 * (1 + 1 + 3) + 3
  assert counted == pytest.approx(8 * passes * block, rel=0.05)


def test_a_platform_that_does_not_tell_leaves_its_figures_out(monkeypatch, caplog):
  config = small(dcgan64.get_config)
  monkeypatch.setattr(bench, 'step_flops', lambda *_: None)

  def another_collective(_):
    raise ValueError('a collective that is not all-reduce')

  monkeypatch.setattr(bench, 'all_reduced_bytes', another_collective)
  result = bench.bench(config, ('step',), 1)
  # Of one step that is counted, the slowest and the fastest are the same.
  assert result['images_per_second_range'] == [result['images_per_second']] * 2
  assert result['images_per_second'] > 0
  assert not {'step_flops', 'share_of_matmul', 'all_reduced_bytes'} & set(result)
  assert 'operations of a step are left out' in caplog.text
  assert 'not all-reduce' in caplog.text
  bench.show(result)


def test_features_are_measured_as_the_config_asks_for_them():
  config = small(dcgan64.get_config)
  config.evaluate.features = ('pixels', 'efficientnet_lite0')
  config.evaluate.batch_size = 8
  config.evaluate.resize = 'legacy'
  result = bench.bench(config, ('features',), 1)
  assert set(result['features_images_per_second']) == {
    'pixels_legacy',
    'efficientnet_lite0_legacy',
  }
  assert all(speed > 0 for speed in result['features_images_per_second'].values())
  assert result['frechet_distance_seconds'] > 0


def test_weights_come_from_the_file_that_the_config_names(tmp_path):
  config = small(dcgan64.get_config)
  config.evaluate.features = ('inception_v3',)
  config.evaluate.weights.inception_v3 = str(tmp_path / 'none.pth')
  with pytest.raises(UserError, match=r'none\.pth'):
    bench.bench(config, ('step', 'features'), 1)


@pytest.mark.slow
def test_devices_are_simulated_in_a_process_of_their_own(monkeypatch):
  monkeypatch.setattr(bench, '_DEVICE_COUNTS', (2,))
  result = bench.bench(small(dcgan64.get_config), ('devices',), 1)
  one = result['devices'][2]
  assert one['images_per_second'] > 0
  assert one['all_reduced_bytes'] > 0
  bench.show(result)


def test_the_result_has_what_was_asked_for_and_is_json(tmp_path):
  config = small(dcgan64.get_config)
  config.evaluate.features = ()
  start = time.perf_counter()
  result = bench.bench(config, ('step', 'input'), 2)
  whole = time.perf_counter() - start
  bench.write(str(tmp_path / 'result.json'), result)
  read = json.loads((tmp_path / 'result.json').read_text())
  low, high = read['images_per_second_range']
  assert 0 < low <= read['images_per_second'] <= high
  parts = [read.get(f'{part}_seconds', 0) for part in ('compile', 'load_compiled', 'first_step')]
  assert min(parts) >= 0
  assert 0 < sum(parts) < whole
  assert read['input_images_per_second'] > 0
  work = read['input_cpu_seconds_per_image'] * read['input_images_per_second']
  assert work == pytest.approx(read['input_cores_busy'])  # the same work, by image and by second
  assert read['circumstances']['packages']['jax'] == jax.__version__
  assert 'features_images_per_second' not in read
  bench.show(result)


def test_every_number_is_shown_in_its_unit(capsys):
  per_unit = {
    'images_per_second': (1, 'images/s'),
    'step_flops': (1e9, 'GFLOP'),
    'flops_per_second': (1e9, 'GFLOP/s'),
    'matmul_flops_per_second': (1e9, 'GFLOP/s'),
    'share_of_matmul': (1e-2, '%'),
    **{f'{name}_seconds': (1, 's') for name in ('compile', 'load_compiled', 'first_step')},
    'step_temporary_bytes': (1e6, 'MB'),
    'all_reduced_bytes': (1e6, 'MB'),
    'generator_parameters': (1e6, 'million'),
    'discriminator_parameters': (1e6, 'million'),
    'input_images_per_second': (1, 'images/s'),
    'input_cpu_seconds_per_image': (1e-3, 'ms of CPU'),
    'input_cores_busy': (1, ''),
    'frechet_distance_seconds': (1, 's'),
    'peak_memory_bytes': (1e6, 'MB'),
  }
  numbers = range(2, 2 + len(per_unit))
  result = {key: n * unit for n, (key, (unit, _)) in zip(numbers, per_unit.items(), strict=True)}
  circumstances = {'device_kind': 'cpu', 'packages': {'jax': '0'}}
  bench.show({**result, 'circumstances': circumstances})
  rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith('│')]
  shown = [row.strip('│ ').split('│')[1].strip() for row in rows]
  assert shown == [
    f'{n} {name}'.strip() for n, (_, name) in zip(numbers, per_unit.values(), strict=True)
  ]


@pytest.mark.parametrize(
  ('parts', 'steps', 'batch_size', 'message'),
  [
    (('stp',), 1, 8, "did you mean 'step'"),
    ((), 1, 8, 'nothing to measure'),
    (('step',), 0, 8, 'positive'),
    (('step',), 1, 9, 'multiple of the 8 devices'),
    (('step', 'devices'), 1, 12, 'multiple of 8'),
  ],
)
def test_mistakes_are_named(parts, steps, batch_size, message):
  config = small(dcgan64.get_config)
  config.train.batch_size = batch_size
  with pytest.raises(UserError, match=message):
    bench.bench(config, parts, steps)


def test_a_result_that_cannot_be_written_is_refused_before_it_is_measured(tmp_path):
  bench.check_writable(str(tmp_path / 'result.json'))
  (tmp_path / 'file').touch()
  for path in (tmp_path, tmp_path / 'nowhere' / 'result.json', tmp_path / 'file' / 'result.json'):
    with pytest.raises(UserError, match='--json='):
      bench.check_writable(str(path))


def test_random_images_are_the_same_each_time_and_differ_between_splits():
  config = small(dcgan64.get_config)
  a, b = build.datasets(config), build.datasets(config)
  assert a.train.fingerprint == b.train.fingerprint != a.holdout.fingerprint
  images = a.train.fetch(np.arange(len(a.train)))['image']
  assert images.shape[1:] == a.train.shape == (16, 16, 3)
  counts = np.bincount(images.ravel(), minlength=256)
  assert stats.chisquare(counts).pvalue > 0.001  # each level as often as any other


def test_random_images_keep_within_the_memory_they_are_given():
  config = small(dcgan64.get_config)
  config.dataset.resolution = 1024
  for megabytes, count in ((12, 4), (3, 1)):
    config.dataset.memory_budget_mb = megabytes
    assert len(build.datasets(config).train) == count
  config.dataset.memory_budget_mb = 2
  with pytest.raises(UserError, match='memory_budget_mb=2: holds no image of 1024x1024'):
    build.datasets(config)
