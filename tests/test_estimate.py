"""Forecasts of several devices and configs, as pages, JSON and tables."""

import json

import pytest

from gan_jax import estimate
from gan_jax.errors import UserError
from gan_jax.forecast.costs import Images
from gan_jax.forecast.result import Options
from tests.command_line import call

SMALL = """
from configs.bench import dcgan64

def get_config():
  config = dcgan64.get_config()
  config.dataset.resolution = 16
  config.dcgan.width = 8
  config.train.batch_size = 8
  return config
"""


@pytest.fixture(scope='module')
def small(tmp_path_factory):
  """What the file of that text defines."""
  path = tmp_path_factory.mktemp('small') / 'small.py'
  path.write_text(SMALL)
  return lambda: estimate.config_of(str(path))


def test_json_holds_every_forecast_and_the_first_at_the_top(small, tmp_path, capsys):
  config = small()
  config.train.images = 1000
  found = estimate.estimate(config, Images(3), ['gpu:h100:2'], [8, 128], Options(efficiency=0.5))
  path = tmp_path / 'forecast.json'
  estimate.write(str(path), estimate.as_json(found, 123))
  told = json.loads(path.read_text())
  first, second = told['forecasts']
  for key in ('memory_bytes', 'temporary_bytes', 'flops', 'bytes_accessed', 'seconds_per_step'):
    assert told[key] == first[key] > 0
  assert told['dataset_bytes'] == 123
  assert (first['batch_size'], second['batch_size']) == (8, 128)
  assert (first['steps'], second['steps']) == (125, 8)  # of 1,000 images, the last batch not full
  assert second['temporary_bytes'] > first['temporary_bytes']
  assert second['flops'] == pytest.approx(16 * first['flops'], rel=0.3)
  least = max(first['flops'] / 494.7e12, first['bytes_accessed'] / 3350e9)
  assert first['seconds_per_step'] == pytest.approx(2 * least)
  assert first['run_kilowatt_hours'] == pytest.approx(
    first['seconds_per_step'] * first['steps'] * 2 * 700 / 3.6e6
  )
  assert first['largest_batch'] > 128
  estimate.show(found, 123)
  said = capsys.readouterr().out
  assert 'an estimate' in said
  assert f'about {first["largest_batch"]:,} images, memory taken to grow evenly between' in said
  assert 'at 50% of it as you measured' in said


def test_what_does_not_fit_comes_with_changes(small, monkeypatch, capsys):
  from gan_jax.forecast import chips

  monkeypatch.setitem(chips.GPUS, 't4', chips.GPUS['t4']._replace(memory=10**5))
  config = small()
  config.dcgan.bfloat16_stages = config.dcgan.remat_stages = 1
  (found,) = estimate.estimate(config, Images(3), ['gpu:t4'])
  assert not found.forecasts[0].fits
  assert any('dcgan.width=4' in change.flags for change in found.changes)
  for change in found.changes:
    assert change.forecast.memory_bytes < found.forecasts[0].memory_bytes
  told = json.loads(json.dumps(estimate.as_json([found], None)))
  assert [each['flags'] for each in told['changes']] == [change.flags for change in found.changes]
  estimate.show([found], None)
  said = capsys.readouterr().out
  assert 'It does not fit' in said
  assert 'dcgan.width=4' in said
  assert (
    'largest batch that fits: about none, memory taken to grow evenly from the one above' in said
  )
  assert 'dataset on disk: not there' in said


def test_a_table_goes_on_where_it_was_cut_off(tmp_path):
  (tmp_path / 'small.py').write_text(SMALL)
  config, path = str(tmp_path / 'small.py'), tmp_path / 'table.json'
  words = ('forecast', f'--table={config}', '--channels=3', f'--json={path}')
  first = call(*words, '--devices=gpu:h100')
  assert first.code == 0, first.err
  kept = json.loads(path.read_text())
  kept[f'{config} gpu:h100']['batch_size'] = 12345  # not made again
  path.write_text(json.dumps(kept))
  again = call(*words, '--devices=gpu:h100,gpu:h100:3')
  rows = [line for line in again.out.splitlines() if line.startswith('| `')]
  assert len(rows) == 2
  assert '12,345' in rows[0]
  assert 'multiple of the 3 devices' in rows[1]


@pytest.mark.parametrize(
  ('flags', 'message'),
  [
    (['--devices=tpu:v9'], 'accepted: v4'),
    (['--devices='], 'names none'),
    (['--devices=gpu:h100:3'], 'batch_size=64: must be a positive multiple of the 3 devices'),
    (['--batch_sizes=8,x'], '--batch_sizes=x'),
    (['--efficiency=2'], '--efficiency=2.0: accepted'),
    (['--effort=-2'], '--effort=-2.0: accepted'),
    (['--classes=3'], 'goes with --channels'),
    (['--json=/nowhere/else.json'], '--json'),
    (['--table=configs/digits.py'], '--config: has no part in --table'),
  ],
)
def test_mistakes_are_told_before_anything_is_compiled(flags, message):
  said = call('forecast', '--config=configs/bench/dcgan64.py', *flags)
  assert said.code == 2
  assert message in said.err
  assert said.err.count('\n') == 1


def test_a_table_takes_config_files():
  with pytest.raises(UserError, match='defines no get_config'):
    estimate.config_of(__file__)
