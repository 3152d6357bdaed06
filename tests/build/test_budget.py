"""Steps that are fitted into a budget of memory."""

import json
import types

import jax
import numpy as np
import pytest

from configs import smoke
from gan_jax import build
from gan_jax.build import budget
from gan_jax.errors import UserError
from gan_jax.runtime import parallel
from gan_jax.train import train
from gan_jax.workdir import checkpoint


def config(**changes):
  made = smoke.get_config()
  quiet = {'evaluate.images': 0, 'train.diagnose': False, 'train.images': 32}
  made.update_from_flattened_dict({**quiet, **changes})
  return made


@pytest.fixture
def sizes(monkeypatch):
  """Sizes of a step by the number of stages, in place of compiling it; which were asked for."""
  asked = []

  def put(*bytes_by_stages):
    def size(config, parts, dataset, programs):
      asked.append(programs)
      return bytes_by_stages[programs]

    monkeypatch.setattr(budget, '_bytes', size)
    monkeypatch.setattr(
      budget, '_programs', lambda config, parts, dataset, settings: settings['dcgan.remat_stages']
    )
    return asked

  return put


def fitted(gigabytes, kept=None, **changes):
  made = config(**{'train.memory_gb': gigabytes, 'dataset.resolution': 256, **changes})
  parts = build.networks(made, 3, 0)
  return build.within_budget(made, parts, types.SimpleNamespace(num_classes=0), kept)


def test_the_fewest_stages_that_fit_are_found_by_few_compilations(sizes):
  by_stages = [9e9, 8e9, 7e9, 6e9, 5e9, 4e9, 3e9]
  for number, size in enumerate(by_stages):
    asked = sizes(*by_stages)
    asked.clear()
    found = fitted(size / 1e9)
    assert found.programs == number
    assert found.chosen['settings'] == {'dcgan.remat_stages': number}
    assert found.chosen['bytes'] == size
    assert len(asked) == len(set(asked)) <= 5
    if not number:
      assert asked == [0]


def test_stages_that_the_config_names_are_among_them_in_any_case(sizes):
  sizes(9e9, 8e9, 7e9, 6e9, 5e9, 4e9, 3e9)
  assert fitted(8.5, **{'dcgan.remat_stages': 3}).programs == 3


def test_where_nothing_fits_one_line_says_the_least(sizes):
  sizes(9e9, 8e9, 7e9, 6e9, 5e9, 4e9, 3.21e9)
  with pytest.raises(UserError) as stopped:
    fitted(3.0)
  told = str(stopped.value)
  assert told.startswith('config.train.memory_gb=3.0: a step takes at least 3.21 GB of each device')
  assert 'dcgan.remat_stages=6' in told
  assert 'config.train.accumulate' in told
  assert '\n' not in told


def test_what_was_chosen_stays_while_the_budget_does(sizes):
  asked = sizes(9e9, 8e9, 7e9, 6e9, 5e9, 4e9, 3e9)
  kept = {'memory_gb': 7.0, 'settings': {'dcgan.remat_stages': 5}, 'bytes': 4}
  assert fitted(7.0, kept).programs == 5
  assert not asked
  assert fitted(8.0, kept).programs == 1


@pytest.mark.parametrize(
  ('name', 'changes', 'most'),
  [
    ('dcgan', {}, {'dcgan.remat_stages': 2}),
    ('resnet', {}, {'resnet.remat_stages': 2}),
    ('gat', {'gat.depth': 4, 'gat.width': 16, 'gat.heads': 2}, {'gat.remat': True}),
    (
      *('dcgan', {'model.discriminator': 'resnet'}),
      {'dcgan.remat_stages': 2, 'resnet.remat_stages': 3},
    ),
  ],
)
def test_every_architecture_has_its_choices(name, changes, most):
  made = config(**{'model.name': name, **changes})
  choices = budget._choices(made, build.networks(made, 1, 3))
  assert choices[-1] == most
  assert not any(choices[0].values())


def test_a_run_within_a_budget_is_the_same_run_and_compiles_each_try_once(tmp_path, monkeypatch):
  train(config(), str(tmp_path / 'free'))
  compiled = []
  compile_for = parallel.compile_for

  def noted(function, *arguments):
    compiled.append(len(arguments) == 2 and isinstance(arguments[1], dict))
    return compile_for(function, *arguments)

  monkeypatch.setattr(parallel, 'compile_for', noted)
  monkeypatch.setattr('gan_jax.runtime.programs._load', lambda *_: None)
  real = budget._bytes
  monkeypatch.setattr(budget, '_bytes', lambda *_: 10**7)
  made = config(**{'train.memory_gb': 2e-3})
  with pytest.raises(UserError, match=r'a step takes at least 0\.01 GB'):
    train(made, str(tmp_path / 'run'))
  assert not (tmp_path / 'run').exists()
  compiled.clear()
  size = iter([5, 1, 3])  # too much; fits; too much
  monkeypatch.setattr(budget, '_bytes', lambda *args: real(*args) * 0 + next(size) * 10**6)
  train(made, str(tmp_path / 'run'))
  assert sum(compiled) == 3
  chosen = json.loads((tmp_path / 'run' / 'run.json').read_text())['memory']
  assert chosen['settings'] == {'dcgan.remat_stages': 2}
  assert chosen['tried'] == {
    'dcgan.remat_stages=0': 5_000_000,
    'dcgan.remat_stages=1': 3_000_000,
    'dcgan.remat_stages=2': 1_000_000,
  }
  states = [
    checkpoint.Checkpointer(str(tmp_path / name), read_only=True).read()[1]
    for name in ('free', 'run')
  ]
  near = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-3)
  jax.tree.map(near, *(state['generator']['params'] for state in states))
  # Going on, nothing is asked again.
  made.train.images = 48
  train(made, str(tmp_path / 'run'))
  assert json.loads((tmp_path / 'run' / 'run.json').read_text())['memory'] == chosen
