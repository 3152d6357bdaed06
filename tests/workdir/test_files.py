"""Files are replaced whole, or stay as they were."""

import os

import pytest

from configs import smoke
from gan_jax.errors import UserError
from gan_jax.workdir import claim, config_file, files
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


def test_a_file_that_was_sealed_by_an_earlier_version_is_whole_and_changed_it_is_not(tmp_path):
  path, rest = tmp_path / 'run.json', '"b": {"ü": [0.5, null, true]}, "a": 1'
  # By `printf '{"a": 1, "b": {"\\u00fc": [0.5, null, true]}}' | sha256sum | cut -c -16`.
  path.write_text(f'{{"sha256": "0caf4c71c2d34150", {rest}}}', encoding='utf-8')
  assert files.read_json(str(path)) == {'a': 1, 'b': {'ü': [0.5, None, True]}}
  path.write_text(path.read_text(encoding='utf-8').replace('0.5', '0.25'), encoding='utf-8')
  with pytest.raises(UserError, match=r'run\.json: damaged: not what was written there'):
    files.read_json(str(path))


def test_a_file_that_could_not_be_written_is_refused_before_it_is_made(tmp_path, monkeypatch):
  refused = lambda path: pytest.raises(
    UserError, match=f'--json={path}: must be a file in a folder'
  )
  files.check_writable(str(tmp_path / 'a.json'), '--json')
  for path in (tmp_path, tmp_path / 'nowhere' / 'a.json'):
    with refused(path):
      files.check_writable(str(path), '--json')
  monkeypatch.setattr(files.os, 'access', lambda path, mode: False)  # root may write anywhere
  with refused(tmp_path / 'a.json'):
    files.check_writable(str(tmp_path / 'a.json'), '--json')
  assert os.listdir(tmp_path) == []


def test_until_the_new_text_is_on_disk_readers_see_the_old_one(tmp_path, monkeypatch):
  path = tmp_path / 'config.json'
  files.write_json(str(path), {'a': 1})
  seen, fsync, replace = [], os.fsync, os.replace

  def synced(number):
    written = os.readlink(f'/proc/self/fd/{number}')
    with open(written, encoding='utf-8') as file:
      seen.append(('synced', file.read(), files.read_json(str(path))))
    fsync(number)

  def replaced(old, new):
    seen.append(('replaced', old, new))
    replace(old, new)

  monkeypatch.setattr(files.os, 'fsync', synced)
  monkeypatch.setattr(files.os, 'replace', replaced)
  files.write_atomically(str(path), '{"a": 2}')
  (_, written, read), (what, _, new) = seen
  assert (written, read) == ('{"a": 2}', {'a': 1})
  assert (what, new) == ('replaced', str(path))
  assert files.read_json(str(path)) == {'a': 2}


def test_a_file_that_cannot_be_read_is_named(tmp_path):
  (tmp_path / 'folder.json').mkdir()
  with pytest.raises(UserError, match=r'folder\.json: cannot be read: Is a directory'):
    files.read_json(str(tmp_path / 'folder.json'))
  with pytest.raises(FileNotFoundError):
    files.read_json(str(tmp_path / 'nothing.json'))


@pytest.mark.parametrize('name', ['exp[1]', '[', 'a[b/c'])
def test_a_path_that_checkpoints_cannot_be_read_from_is_refused_at_once(tmp_path, name):
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
  keep_config(str(tmp_path), smoke.get_config())
  changed = smoke.get_config()
  changed.update_from_flattened_dict({key: value})
  if free:
    check_same_config(str(tmp_path), changed)
  else:
    with pytest.raises(UserError, match=f'config.{key} was '):
      check_same_config(str(tmp_path), changed)


# What changes no step and no score; every other key that there is holds a run to its value.
FREE = {
  *(f'train.{name}_images' for name in ('log', 'sample', 'checkpoint')),
  *(f'train.{name}' for name in ('images', 'seconds', 'diagnose', 'rollbacks')),
  *('evaluate.images', 'evaluate.halves', 'sample.columns', 'sample.rows'),
  *(f'checkpoint.{name}' for name in ('keep_last', 'keep_best', 'best_score')),
  *('dataset.data_dir', 'dataset.prefetch_batches'),
}


def test_every_key_but_the_free_ones_holds_a_run_to_its_value(tmp_path):
  made = smoke.get_config()
  keep_config(str(tmp_path), made)
  known = config_file.flat(config_file.as_json(made))
  refused = set()
  for key in known:
    changed = made.copy_and_resolve_references()
    with changed.ignore_type():
      changed.update_from_flattened_dict({key: 'another value'})
    try:
      check_same_config(str(tmp_path), changed)
    except UserError as error:
      assert f'config.{key} was ' in str(error)  # noqa: PT017 - of some keys none is raised
      refused.add(key)
  assert set(known) - refused == FREE


def test_a_key_that_came_later_is_accepted_without_a_value_or_where_it_is_of_scores(tmp_path):
  made = smoke.get_config()
  stored = config_file.as_json(made)
  del stored['evaluate']['resize'], stored['train']['seconds'], stored['dataset']['flip']
  files.write_json(str(tmp_path / 'config.json'), stored)
  with pytest.raises(UserError, match=r'another config: config\.dataset\.flip was .* is False\.'):
    check_same_config(str(tmp_path), made)


def test_differences_name_keys_on_either_side():
  found = dict(differences({'a': 1, 'b': {'c': 2}, 'd': 3}, {'a': 1, 'b': {'c': 4}, 'e': 5}))
  assert found['config.b.c'] == 'config.b.c was 2, is 4'
  assert set(found) == {'config.b.c', 'config.d', 'config.e'}
  # A section of which the other side has none, or a value in its place.
  sections = {'a': {'b': 1}, 'c': {'d': 2}}, {'a': 3, 'e': {'f': 4}}
  assert dict(differences(*sections)) == {
    'config.a': "config.a was {'b': 1}, is 3",
    'config.c': "config.c was {'d': 2}, is '(absent)'",
    'config.e': "config.e was '(absent)', is {'f': 4}",
  }
