"""What a command asks for is what its flags say, and what it asks for where they say nothing."""

import types

import pytest

from gan_jax import estimate, explore, export
from gan_jax.data.inspection import inspect
from gan_jax.errors import UserError
from gan_jax.forecast.costs import Images
from tests.command_line import call, one_line


@pytest.fixture
def asked(monkeypatch):
  """Puts a note of what it is given in the place of a function, at which the command ends."""

  def note(module, name):
    notes = []

    def noted(*given):
      notes.append(given)
      raise UserError('noted')

    monkeypatch.setattr(module, name, noted)
    return notes

  return note


def test_an_export_is_made_as_its_flags_say(asked):
  notes = asked(export, 'export')
  where = 'export', '--workdir=run', '--out=there'
  call(*where)
  call(*where, '--step=3', '--licence=mit', '--onnx', '--page', '--runtime=ort.tgz')
  assert notes == [
    ('run', 'there', None, '', False, False, ''),
    ('run', 'there', 3, 'mit', True, True, 'ort.tgz'),
  ]


@pytest.mark.parametrize(('flags', 'port'), [((), 0), (('--port=4321',), 4321)])
def test_a_page_listens_where_it_is_told_and_else_at_any_free_port(asked, flags, port):
  notes = asked(explore, 'explore')
  call('explore', '--workdir=a,b', '--workdir=a', *flags)
  assert [given[:2] for given in notes] == [(['a', 'b'], port)]


@pytest.mark.parametrize(
  ('flags', 'splits'), [((), ['train', 'train[:9]']), (('--splits=test',), ['test'])]
)
def test_of_a_config_the_splits_that_it_uses_are_looked_at(asked, monkeypatch, flags, splits):
  held = types.SimpleNamespace(splits=['train', 'train[:9]', 'test'])
  built = lambda *_: types.SimpleNamespace(info=held)
  monkeypatch.setattr('gan_jax.data.by_name.open_builder', built)
  notes = asked(inspect, 'inspect')
  config = '--config=configs/smoke.py', '--config.dataset.holdout_split=train[:9]'
  call('inspect', *config, *flags)
  assert [given[1] for given in notes] == [splits]


def test_a_forecast_is_for_the_images_that_are_told(asked):
  notes = asked(estimate, 'estimate')
  words = 'forecast', '--config=configs/smoke.py', '--channels=3'
  assert 'needs --classes, how many there are' in one_line(call(*words).err)
  call(*words, '--classes=7')
  assert [given[1] for given in notes] == [Images(3, 7)]


@pytest.mark.parametrize(
  ('words', 'flag', 'least', 'then'),
  [
    (('audit', '--workdir=/nowhere'), 'seeds', 2, 'holds no run'),
    (('audit', '--workdir=/nowhere'), 'num_samples', 2, 'holds no run'),
    (('train',), 'nodes', 1, 'name a config file'),
    (('train',), 'processes', 1, 'name a config file'),
    (('train',), 'devices', 0, 'name a config file'),
  ],
)
def test_the_least_number_that_makes_sense_is_taken_and_none_below(words, flag, least, then):
  assert then in one_line(call(*words, f'--{flag}={least}').err)
  assert f'--{flag}={least - 1}' in one_line(call(*words, f'--{flag}={least - 1}').err)
