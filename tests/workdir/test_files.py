"""Files are replaced whole, or stay as they were."""

import os

import pytest

from gan_jax.errors import UserError
from gan_jax.workdir import claim, files
from gan_jax.workdir.config_file import check_same_config, differences, keep_config


@pytest.mark.parametrize('call', ['fsync', 'replace'])
def test_a_full_disk_leaves_the_old_file_and_nothing_beside_it(tmp_path, monkeypatch, call):
  path = tmp_path / 'config.json'
  files.write_json(str(path), {'a': 1})

  def full(*_):
    raise OSError(28, 'No space left on device')

  monkeypatch.setattr(files.os, call, full)
  with pytest.raises(OSError, match='No space left'):
    files.write_json(str(path), {'a': 2})
  assert files.read_json(str(path)) == {'a': 1}
  assert os.listdir(tmp_path) == ['config.json']


def test_a_file_that_cannot_be_read_is_named(tmp_path):
  (tmp_path / 'folder.json').mkdir()
  with pytest.raises(UserError, match=r'folder\.json: cannot be read: Is a directory'):
    files.read_json(str(tmp_path / 'folder.json'))
  with pytest.raises(FileNotFoundError):
    files.read_json(str(tmp_path / 'nothing.json'))


@pytest.mark.parametrize('name', ['exp[1]', '[', 'a[b/c'])
def test_a_path_that_checkpoints_cannot_be_read_from_is_refused_at_once(tmp_path, name):
  from configs import smoke

  with (
    pytest.raises(UserError, match='cannot be read back'),
    claim.claim(str(tmp_path / name), smoke.get_config(), False),
  ):
    pass
  assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
  ('key', 'value', 'free'),
  [
    ('train.images', 10**6, True),
    ('train.log_images', 7, True),
    ('train.diagnose', False, True),
    ('evaluate.images', 0, True),
    ('checkpoint.keep_best', 3, True),
    ('sample.rows', 3, True),
    ('dataset.data_dir', '/moved', True),
    ('dataset.split', 'train[:50%]', False),
    ('train.batch_size', 8, False),
    ('anneal_images', 10, False),
    ('evaluate.num_samples', 10, False),
    ('seed', 1, False),
  ],
)
def test_what_decides_no_step_and_no_score_may_change(tmp_path, key, value, free):
  from configs import smoke

  keep_config(str(tmp_path), smoke.get_config())
  changed = smoke.get_config()
  changed.update_from_flattened_dict({key: value})
  if free:
    check_same_config(str(tmp_path), changed)
  else:
    with pytest.raises(UserError, match=f'config.{key} was '):
      check_same_config(str(tmp_path), changed)


def test_differences_name_keys_on_either_side():
  found = dict(differences({'a': 1, 'b': {'c': 2}, 'd': 3}, {'a': 1, 'b': {'c': 4}, 'e': 5}))
  assert found['config.b.c'] == 'config.b.c was 2, is 4'
  assert set(found) == {'config.b.c', 'config.d', 'config.e'}
