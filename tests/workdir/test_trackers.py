"""A run is shown to trackers where that is asked for, and goes on whatever they do."""

import sys
import types

import numpy as np
import pytest

from configs import smoke
from gan_jax.errors import UserError
from gan_jax.train import train
from gan_jax.workdir import record, trackers


class Fake(types.ModuleType):
  """A tracker's library that remembers what it was told."""

  def __init__(self, name, broken=False):
    super().__init__(name)
    self.__spec__ = types.SimpleNamespace(name=name)
    self.told, self.broken, self.axis = [], broken, {}

  def init(self, **options):
    self.told.append(('init', options))
    return self

  def define_metric(self, name, step_metric):
    self.axis[name] = step_metric

  def log(self, values):
    if self.broken:
      raise ConnectionError('no network')
    self.told.append(('log', values))

  def Image(self, pixels):  # noqa: N802 - the libraries' name
    return 'image', pixels.shape

  def finish(self):
    self.told.append(('finish', None))

  def of(self, kind):
    return [values for each, values in self.told if each == kind]


@pytest.fixture
def libraries(monkeypatch):
  made = {name: Fake(name) for name in ('wandb', 'trackio')}
  for name, fake in made.items():
    monkeypatch.setitem(sys.modules, name, fake)
  return made


def short():
  config = smoke.get_config()
  config.evaluate.images = 0
  config.train.images = 32
  config.train.log_images = 16
  config.train.sample_images = 32
  return config


@pytest.mark.slow
def test_a_run_is_shown_with_its_config_numbers_and_grids(libraries, tmp_path):
  train(short(), str(tmp_path / 'run'), track=('wandb', 'trackio'))
  for name, fake in libraries.items():
    (begun,) = fake.of('init')
    assert begun['config']['dcgan']['width'] == 8
    assert begun['name'].startswith('run')
    logged = fake.of('log')
    losses = {v['images']: v['train/d_loss'] for v in logged if 'train/d_loss' in v}
    lines = record.read_metrics(str(tmp_path / 'run'), 'train')
    assert losses == {line['images']: line['d_loss'] for line in lines}, name
    grids = [v for v in logged if 'samples' in v]
    assert [v['images'] for v in grids] == [0, 32]
    assert grids[0]['samples'][0] == 'image'
    assert fake.told[-1][0] == 'finish'
  assert libraries['wandb'].axis == {'*': 'images'}


@pytest.fixture
def begun(tmp_path):
  """A workdir with all that a start writes before its record is opened."""
  record.keep_config(str(tmp_path), short())
  record.keep_circumstances(str(tmp_path), short(), {})
  return str(tmp_path)


@pytest.mark.parametrize(('name', 'known_by'), [('wandb', 'id'), ('trackio', 'name')])
def test_a_run_that_goes_on_is_the_same_one_and_another_is_not(
  libraries, begun, tmp_path_factory, name, known_by
):
  other = str(tmp_path_factory.mktemp('other'))
  for workdir in (begun, begun, other):
    record.keep_config(workdir, short())
    record.keep_circumstances(workdir, short(), {})
    trackers.Tracker(name, workdir).close()
  first, second, third = libraries[name].of('init')
  assert first[known_by] == second[known_by] != third[known_by]
  assert {begun['project'] for begun in (first, second, third)} == {'gan_jax'}
  assert first['resume'] == 'allow'


def test_nothing_is_sent_unless_asked(libraries, begun):
  opened = record.Record(begun, 0, 0)
  opened.write('train', 1, 16, {'d_loss': 1.0})
  opened.close()
  assert all(fake.told == [] for fake in libraries.values())


def test_a_tracker_that_fails_is_told_once_and_the_record_stays_whole(
  begun, libraries, monkeypatch, caplog
):
  monkeypatch.setitem(sys.modules, 'wandb', Fake('wandb', broken=True))
  opened = record.Record(begun, 0, 0, track=('wandb', 'trackio'))
  for step in (1, 2, 3):
    opened.write('train', step, 16 * step, {'d_loss': 1.0, 'name': 'text'})
  opened.image('samples', 48, np.zeros((4, 4, 1), np.uint8))
  opened.close()
  assert caplog.text.count('--track=wandb: ConnectionError: no network') == 1
  assert len(record.read_metrics(begun)) == 3
  *numbers, grid = libraries['trackio'].of('log')
  assert numbers[-1] == {'images': 48, 'train/d_loss': 1.0}
  assert grid == {'images': 48, 'samples': ('image', (4, 4))}


def test_one_that_is_not_known_or_not_installed_is_refused_before_the_run(tmp_path, monkeypatch):
  with pytest.raises(UserError, match=r"--track=wandbb: did you mean 'wandb'"):
    train(short(), str(tmp_path / 'run'), track=('wandbb',))
  monkeypatch.setattr(trackers.importlib.util, 'find_spec', lambda name: None)
  with pytest.raises(UserError, match='--track=wandb: is not installed; pip install wandb'):
    train(short(), str(tmp_path / 'run'), track=('wandb',))
  assert not (tmp_path / 'run').exists()
