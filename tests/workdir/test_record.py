import json
import os
import types

import jax
import pytest
from ml_collections import ConfigDict

from configs import default, smoke
from gan_jax.errors import UserError
from gan_jax.workdir import circumstances, record


def test_a_config_comes_back_as_it_was_tuples_included(tmp_path):
  config = default.get_config()
  record.keep_config(str(tmp_path), config)
  loaded = record.load_config(str(tmp_path))
  assert loaded.to_dict() == config.to_dict()
  assert isinstance(loaded.r3gan.widths, tuple)


def test_another_config_is_refused_by_the_keys_that_differ(tmp_path):
  config = smoke.get_config()
  record.keep_config(str(tmp_path), config)
  before = (tmp_path / 'config.json').read_text()
  with record.claim(str(tmp_path), config, allow_config_changes=False):
    pass
  config.train.batch_size = 32
  config.r1.weight_final = 0.5
  with (
    pytest.raises(
      UserError,
      match=r'r1.weight_final was None, is 0.5; config.train.batch_size was 16, is 32',
    ),
    record.claim(str(tmp_path), config, allow_config_changes=False),
  ):
    pass
  assert (tmp_path / 'config.json').read_text() == before
  with record.claim(str(tmp_path), config, allow_config_changes=True):
    pass


def test_two_processes_do_not_train_in_one_workdir(tmp_path):
  config = ConfigDict({'a': 1})
  with (
    record.claim(str(tmp_path), config, False),
    pytest.raises(UserError, match=rf'another process is training .*process {os.getpid()}, since'),
    record.claim(str(tmp_path), config, False),
  ):
    pass
  with record.claim(str(tmp_path), config, False):
    pass  # freed by the first one's end


def test_a_run_that_goes_on_drops_the_lines_of_steps_undone_and_a_torn_one(tmp_path):
  path = tmp_path / 'metrics.jsonl'
  for step in (1, 2, 3):
    record.append_line(str(tmp_path), 'train', step, step * 10, {'d_loss': 0.5})
  with path.open('a') as file:
    file.write('{"kind": "tra')
  assert [line['step'] for line in record.read_metrics(str(tmp_path))] == [1, 2, 3]
  kept = record.Record(str(tmp_path), 2, 20)
  kept.write('scores', 2, 20, {'fd_classifier': 1.0})
  kept.close()
  lines = [json.loads(line) for line in path.read_text().splitlines()]
  assert [(line['kind'], line['step']) for line in lines] == [
    ('train', 1),
    ('train', 2),
    ('scores', 2),
  ]


def test_other_data_is_refused(tmp_path):
  about = lambda print_: {'fingerprints': {'digits train': print_}}
  record.keep_circumstances(str(tmp_path), default.get_config(), about('abc'))
  record.check_dataset(str(tmp_path), about('abc'), 'go elsewhere')
  with pytest.raises(UserError, match="digits train was 'abc', is 'xyz'"):
    record.check_dataset(str(tmp_path), about('xyz'), 'go elsewhere')
  run = json.loads((tmp_path / 'run.json').read_text())
  (start,) = run['starts']
  assert start['packages'].keys() >= {'jax', 'flax', 'orbax-checkpoint'}
  assert start['step'] == start['images'] == 0
  devices = jax.devices()
  assert start['devices'] == [str(device) for device in devices]
  assert (start['hosts'], start['device_kind']) == (1, devices[0].device_kind)


def test_cores_are_those_of_this_process_and_all_where_a_system_does_not_tell(monkeypatch):
  of_processes = {0: {3, 5}, 1: {0, 1, 2, 3, 4, 5}}  # 0 is the one that asks
  monkeypatch.setattr(os, 'sched_getaffinity', of_processes.get, raising=False)
  monkeypatch.setattr(os, 'cpu_count', lambda: 6)
  assert circumstances.usable_cores() == 2
  monkeypatch.delattr(os, 'sched_getaffinity')
  assert circumstances.usable_cores() == 6


def test_an_installed_package_whose_metadata_have_no_name_is_left_out(monkeypatch):
  some = [types.SimpleNamespace(name=name, version='1') for name in ('Zlib', None, 'absl')]
  monkeypatch.setattr(circumstances.metadata, 'distributions', lambda: some)
  plain = circumstances.packages.__wrapped__  # one that does not remember
  assert list(plain().items()) == [('absl', '1'), ('zlib', '1')]


def test_large_images_beside_a_grid_that_was_undone_are_set_aside_with_it(tmp_path):
  samples = tmp_path / 'samples'
  for images in (0, 64):
    (samples / f'{images:012d}').mkdir(parents=True)
    (samples / f'{images:012d}' / '000.png').write_text(str(images))
    (samples / f'{images:012d}.png').touch()
  for _ in range(2):  # the second time over what the first left
    record.Record(str(tmp_path), 0, 0).close()
    assert (samples / '000000000000' / '000.png').exists()
    assert (samples / 'undone' / '000000000064' / '000.png').read_text() == '64'
    assert sorted(path.name for path in samples.glob('0*64*')) == []
    (samples / '000000000064').mkdir()
    (samples / '000000000064' / '000.png').write_text('64')
    (samples / '000000000064.png').touch()
