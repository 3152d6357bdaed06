import json
import re

import pytest

from configs import smoke
from gan_jax.ablation.root import Root, key_of
from gan_jax.errors import UserError
from gan_jax.workdir import record


def test_a_key_is_of_what_decides_a_run_alone():
  config = smoke.get_config()
  key = key_of(config)
  assert re.fullmatch('[0-9a-f]{12}', key)  # as folders of runs are named that are there already
  config.dataset.data_dir = '/elsewhere'
  config.dataset.memory_budget_mb = 1
  assert key_of(config) == key
  config.r1.weight = 3.0
  assert key_of(config) != key


def test_a_later_key_at_a_default_that_changes_nothing_leaves_keys_as_they_are(monkeypatch):
  from configs import default

  key = key_of(smoke.get_config())
  before = default.get_config

  def later():
    config = before()
    config.dataset.later = 0
    return config

  monkeypatch.setattr(default, 'get_config', later)
  assert key_of(smoke.get_config()) == key


def test_a_key_changes_with_the_users_own_file(tmp_path):
  path = tmp_path / 'mine.py'
  config = smoke.get_config()
  config.loss.name = str(path)
  path.write_text('a = 1')
  first = key_of(config)
  path.write_text('a = 2')
  assert key_of(config) != first


def test_a_folder_without_a_sweep_and_a_damaged_one_say_so(tmp_path):
  root = Root(str(tmp_path))
  with pytest.raises(UserError, match='holds no sweep'):
    root.sweeps()
  root.make()
  root.keep_sweep('tiny', {'question': 'Which?'})
  assert root.sweeps() == {'tiny': {'question': 'Which?'}}
  (tmp_path / 'sweeps' / 'tiny.json').write_text(json.dumps([1]))
  with pytest.raises(UserError, match=r'tiny\.json: damaged'):
    root.sweeps()


def test_the_config_that_a_run_is_started_with_is_kept_by_its_key(tmp_path):
  root, config = Root(str(tmp_path)), smoke.get_config()
  root.make()
  for _ in range(2):  # another attempt at the same run
    root.keep_config('abc', config)
  assert record.load_config(root.config('abc')).to_dict() == config.to_dict()


def test_a_root_that_cannot_be_made_is_refused(tmp_path):
  (tmp_path / 'file').write_text('')
  with pytest.raises(UserError, match='--root='):
    Root(str(tmp_path / 'file')).make()
