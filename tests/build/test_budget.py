"""Steps that are fitted into a budget of memory."""

import itertools
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
from gan_jax.runtime.programs import Memory
from gan_jax.train import train
from gan_jax.workdir import checkpoint


def config(**changes):
  made = smoke.get_config()
  quiet = {'evaluate.images': 0, 'train.diagnose': False, 'train.images': 32}
  made.update_from_flattened_dict({**quiet, **changes})
  return made


@pytest.fixture
def sizes(monkeypatch):
  """Sizes of a step in place of compiling it; which were asked for, as stages and parts."""
  asked = []

  def put(size_of, held=0):
    def programs(config, parts, dataset, settings):
      stages = next((v for k, v in settings.items() if k.endswith('remat_stages')), 0)
      return stages, settings.get('train.accumulate', 1)

    def memory(config, parts, dataset, programs):
      asked.append(programs)
      return Memory(int(held), 0, 0, int(size_of(*programs) - held))

    monkeypatch.setattr(budget, '_memory', memory)
    monkeypatch.setattr(budget, '_programs', programs)
    return asked

  return put


def by_stages(*bytes_by_stages):
  return lambda stages, parts: bytes_by_stages[stages]


def fitted(gigabytes, kept=None, **changes):
  made = config(**{'train.memory_gb': gigabytes, 'dataset.resolution': 256, **changes})
  parts = build.networks(made, 3, 0)
  return build.within_budget(made, parts, types.SimpleNamespace(num_classes=0), kept)


def test_the_fewest_stages_that_fit_are_found_by_few_compilations(sizes):
  all_sizes = [9e9, 8e9, 7e9, 6e9, 5e9, 4e9, 3e9]
  for number, size in enumerate(all_sizes):
    asked = sizes(by_stages(*all_sizes))
    asked.clear()
    found = fitted(size / 1e9)
    assert found.programs == (number, 1)
    assert found.chosen['settings'] == {'dcgan.remat_stages': number}
    assert found.chosen['bytes'] == size
    assert len(asked) == len(set(asked)) <= 5
    if not number:
      assert asked == [(0, 1)]


def test_stages_that_the_config_names_are_among_them_in_any_case(sizes):
  sizes(by_stages(9e9, 8e9, 7e9, 6e9, 5e9, 4e9, 3e9))
  assert fitted(8.5, **{'dcgan.remat_stages': 3}).programs == (3, 1)


def test_where_nothing_fits_one_line_says_the_least(sizes):
  sizes(by_stages(9e9, 8e9, 7e9, 6e9, 5e9, 4e9, 3.21e9))
  with pytest.raises(UserError) as stopped:
    fitted(3.0)
  told = str(stopped.value)
  assert told.startswith('config.train.memory_gb=3.0: a step takes at least 3.21 GB of each device')
  assert 'dcgan.remat_stages=6' in told
  assert 'in parts it would not be the same: config.train.accumulate=2: batch norm' in told
  assert '\n' not in told


R3GAN = {  # 12 images on each of 8 devices
  **{'model.name': 'r3gan', 'dataset.resolution': 16, 'train.batch_size': 96},
  **{'r3gan.widths': (8, 8, 8), 'r3gan.group_size': 8, 'r3gan.blocks': 1},
}


@pytest.mark.parametrize('budget_gb', [9, 6.5, 5.5, 4.8, 4, 3.5, 3, 2, 1.6])
def test_parts_of_the_batch_come_after_the_stages_and_as_few_as_fit(sizes, budget_gb):
  size = lambda stages, parts: 1e9 + (8e9 - 1e9 * stages) / parts
  asked = sizes(size, held=1e9)
  ordered = itertools.product((1, 2, 3, 4, 6, 12), range(4))
  expected = next((n, p) for p, n in ordered if size(n, p) <= budget_gb * 1e9)
  found = fitted(budget_gb, **R3GAN)
  assert found.programs == expected
  assert found.config.train.accumulate == expected[1]
  assert len(asked) == len(set(asked)) <= 9
  assert f'r3gan.remat_stages={expected[0]}' in found.line
  assert ('train.accumulate' in found.line) == (expected[1] > 1)
  assert fitted(budget_gb, found.chosen, **R3GAN).config.train.accumulate == expected[1]
  other = {**R3GAN, 'train.batch_size': 160}
  assert fitted(9.0, {**found.chosen, 'memory_gb': 9.0}, **other).programs == (0, 1)


def test_where_no_part_is_small_enough_one_line_says_the_least(sizes):
  asked = sizes(lambda stages, parts: 1e9 + (8e9 - 1e9 * stages) / parts, held=1e9)
  with pytest.raises(
    UserError, match=r'at least 1\.42 GB .* with .*train\.accumulate=12; accepted'
  ):
    fitted(1.4, **R3GAN)
  asked.clear()
  with pytest.raises(UserError, match=r'at least 6 GB .* with r3gan\.remat_stages=3; accepted'):
    fitted(0.9, **R3GAN)  # which state and batch are beyond
  assert asked == [(0, 1), (3, 1)]


@pytest.mark.slow
def test_a_step_in_parts_takes_less_memory_and_is_the_same():
  made = config(**{**R3GAN, 'model.conditional': False, 'regularisers': ('r1',)})
  data = build.datasets(made).train
  parts = build.networks(made, 1, data.num_classes)
  free = build.training_programs(made, parts, data)
  takes = budget._memory(made, parts, data, free).total
  made.train.memory_gb = 0.55 * takes / 1e9
  found = build.within_budget(made, parts, data)
  assert found.chosen['settings']['train.accumulate'] in (2, 3, 4, 6, 12)
  assert found.chosen['bytes'] <= 0.55 * takes
  assert found.chosen['tried']['r3gan.remat_stages=0'] == takes
  start = build.initial_program(made, parts)(jax.random.key(0))
  batch = parallel.shard(next(build.batches(made, data, 0)))
  (one, _), (other, _) = (
    programs.step(parallel.replicate(start), batch) for programs in (free, found.programs)
  )
  near = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-7)
  for player in ('generator', 'discriminator'):
    jax.tree.map(near, getattr(one, player).opt_state, getattr(other, player).opt_state)


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
  real = budget._memory
  monkeypatch.setattr(budget, '_memory', lambda *_: Memory(0, 0, 0, 10**7))
  made = config(**{'train.memory_gb': 2e-3})
  with pytest.raises(UserError, match=r'a step takes at least 0\.01 GB'):
    train(made, str(tmp_path / 'run'))
  assert not (tmp_path / 'run').exists()
  compiled.clear()
  size = iter([5, 1, 3])  # too much; fits; too much
  told = lambda *args: Memory(0 * real(*args).held, 0, 0, next(size) * 10**6)
  monkeypatch.setattr(budget, '_memory', told)
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
