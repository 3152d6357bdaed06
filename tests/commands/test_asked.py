"""What a command asks for is what its flags say, and what it asks for where they say nothing."""

import types

import pytest

from gan_jax import (
  edit,
  estimate,
  explore,
  export,
  interpolate,
  opening,
  report,
  reproduce,
  train,
  tune,
)
from gan_jax.commands import common
from gan_jax.data.inspection import inspect
from gan_jax.errors import UserError
from gan_jax.forecast.costs import Images
from gan_jax.sampling import classes, plan
from tests.command_line import call, one_line


@pytest.fixture
def asked(monkeypatch):
  """Puts a note of what it is given in the place of a function, at which the command ends."""

  def note(module, name):
    notes = []

    def noted(*given, **named):
      notes.append((*given, named) if named else given)
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


@pytest.fixture
def opened(monkeypatch):
  """Stands for the model of any run."""
  model = types.SimpleNamespace(num_classes=3, class_names=('a', 'b', 'c'))
  monkeypatch.setattr(opening, 'open_model', lambda *_: model)
  return model


def test_samples_are_drawn_as_the_flags_say(asked, opened):
  notes = asked(plan, 'plan')
  where = 'sample', '--workdir=run', '--out=there.png'
  call(*where)
  call(*where, '--seed=5', '--count=7', '--classes=c,a', '--truncation=0.5', '--every_class')
  call(*where, '--seeds=0-2,7')
  turns = [given[3] for given in notes]
  assert [given[:3] + given[4:] for given in notes] == [
    (opened, 0, 100, 1.0, False),
    (opened, 5, 7, 0.5, True),
    (opened, [0, 1, 2, 7], 100, 1.0, False),
  ]
  assert turns == [classes.read_classes(each, 3, opened.class_names) for each in ('', 'c,a', '')]


def test_styles_are_mixed_as_the_flags_say(asked, opened):
  notes = asked(interpolate, 'write_mixing')
  where = 'interpolate', '--workdir=run', '--out=t.png', '--style_mixing'
  seeds = '--rows=0-1', '--columns=2,5'
  call(*where, *seeds)
  call(*where, *seeds, '--layers=0:2', '--classes=1', '--truncation=0.5', '--size=16', '--captions')
  keys = 'layers', 'classes', 'truncation', 'size', 'captions'
  assert notes == [
    (opened, [0, 1], [2, 5], 't.png', dict(zip(keys, values, strict=True)))
    for values in (('', '', 1.0, None, False), ('0:2', '1', 0.5, 16, True))
  ]


def test_images_are_moved_along_the_directions_that_are_named(asked):
  notes = asked(edit, 'check')
  where = 'edit', '--workdir=run', '--out=there'
  call(*where)
  call(*where, '--move=component1:2,7,an:image:-1.5')
  assert [given.move for (given,) in notes] == [
    (),
    (('component1', 2.0), ('7', 1.0), ('an:image', -1.5)),
  ]
  assert '--move=far: accepted: numbers' in one_line(call(*where, '--move=component1:far').err)


def test_a_report_is_of_the_sweep_and_in_the_file_that_the_flags_name(asked):
  notes = asked(report, 'of_sweep')
  call('report', '--root=runs')
  call('report', '--root=runs', '--sweep=losses', '--out=table.csv', '--end=best')
  assert notes == [('runs', '', 'report.html', ''), ('runs', 'losses', 'table.csv', 'best')]


def test_what_is_searched_and_within_what_is_as_the_flags_say(asked):
  notes = asked(tune, 'check')
  where = 'tune', '--config=configs/smoke.py'
  call(*where)
  flags = '--budget_images=5000', '--gammas=0.5,2', '--learning_rates=1,3', '--batch_sizes=8,16'
  call(*where, *flags, '--seeds=2', '--root=there')
  assert [given[1] for given in notes] == [
    tune.Search('runs/tune_smoke', 1_000_000),
    tune.Search('there', 5000, (0.5, 2.0), (1.0, 3.0), (8, 16), 2),
  ]


@pytest.mark.parametrize('weights', [True, None])
def test_of_a_run_made_again_only_what_was_compared_is_said_to_be_the_same(monkeypatch, weights):
  found = reproduce.Reproduction([], 8, None, weights, [], [])
  made = []
  monkeypatch.setattr(reproduce, 'take_cores_of', lambda workdir: None)
  monkeypatch.setattr(reproduce, 'reproduce', lambda *where: made.append(where) or found)
  said = call('reproduce', 'runs/a/')
  assert said.code == 0
  assert 'same bits: 8 lines of the record' in said.out
  assert ('weights' in said.out) == bool(weights)
  assert made == [('runs/a/', 'runs/a_again')]


@pytest.mark.parametrize(
  ('command', 'needed'),
  [
    ('edit', ('workdir', 'out')),
    ('export', ('workdir', 'out')),
    ('interpolate', ('workdir', 'out')),
    ('project', ('workdir', 'images', 'out')),
    ('sample', ('workdir', 'out')),
  ],
)
def test_a_command_without_a_flag_that_it_needs_names_it(command, needed):
  for missing in needed:
    said = call(command, *(f'--{name}=/nowhere' for name in needed if name != missing))
    assert said.code == 2
    assert f'--{missing}' in one_line(said.err)


@pytest.mark.parametrize(('flags', 'port'), [((), 0), (('--port=4321',), 4321)])
def test_a_page_listens_where_it_is_told_and_else_at_any_free_port(asked, flags, port):
  notes = asked(explore, 'explore')
  call('explore', '--workdir=a,b', '--workdir=a', *flags)
  assert [given[:2] for given in notes] == [(['a', 'b'], port)]


@pytest.mark.parametrize(
  ('flags', 'processes'), [((), 0), (('--processes=1',), 0), (('--processes=2',), 1)]
)
def test_a_run_is_of_this_process_unless_several_are_asked_for(asked, flags, processes):
  alone, several = asked(train, 'train'), asked(common, 'run_as_processes')
  call('train', '--config=configs/smoke.py', '--workdir=there', *flags)
  assert (len(alone), len(several)) == (1 - processes, processes)
  assert [given[1:] for given in alone] == [('there', False, [])] * len(alone)


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
