"""The search of γ: its plan, what goes on, what it proposes; one real search."""

import json
import os

import numpy as np
import pytest
from matplotlib.figure import Figure

from configs import smoke
from gan_jax import build, tune
from gan_jax.errors import NonFiniteError, UserError
from gan_jax.tuning import halving, shown
from gan_jax.workdir import record

KEY = 'fd_classifier'


def config(**changes):
  made = smoke.get_config()
  made.regularisers = ('r1', 'r2')
  made.r1.weight, made.r2.weight = 1.0, 0.5
  made.dcgan.discriminator_norm = 'none'
  made.checkpoint.best_score = KEY
  made.update_from_flattened_dict(changes)
  return made


class Trainer:
  """Stands for training: a score that is best at one γ, and what was asked for."""

  def __init__(self, best=1.0, diverges=()):
    self.best, self.diverges, self.calls = best, diverges, []

  def __call__(self, made, workdir, allow_config_changes):
    assert allow_config_changes
    gamma = made.r1.weight
    self.calls.append((gamma, made.train.images))
    if gamma in self.diverges:
      raise NonFiniteError('not finite')
    score = abs(gamma - self.best) + 1000 / made.train.images
    os.makedirs(workdir, exist_ok=True)
    images = made.train.images
    step = -(-images // build.images_per_step(made))
    values = {KEY: score, f'{KEY}_low': score - 0.3, f'{KEY}_high': score + 0.3}
    record.append_line(workdir, 'scores', step, images, values)
    return values


def search(root, **changes):
  options = {'budget_images': 96_000, 'gammas': (0.1, 0.5, 1.0, 2.0, 8.0), **changes}
  return tune.Search(str(root), **options)


@pytest.mark.parametrize(
  ('candidates', 'budget'), [(7, 100_000), (2, 5_000), (1, 5_000), (16, 9_000)]
)
def test_a_plan_stays_within_its_budget_and_halves(candidates, budget):
  rungs = halving.plan(candidates, budget, 16)
  before, spent = 0, 0
  for rung in rungs:
    assert rung.images % 16 == 0
    spent += rung.candidates * (rung.images - before)
    before = rung.images
  assert spent <= budget
  assert spent > 0.8 * budget
  assert [r.candidates for r in rungs] == sorted((r.candidates for r in rungs), reverse=True)
  assert rungs[-1].candidates <= 2


def test_the_better_half_goes_on_and_the_best_is_proposed(tmp_path):
  trainer = Trainer(best=1.1)
  found = tune.tune(config(), search(tmp_path), trainer)
  assert found.best.gamma == 1.0
  assert not found.at_border
  assert [len(lines) for _, lines in found.rungs] == [5, 3, 2]
  assert len(trainer.calls) == 10
  # R2 keeps its ratio to R1; the config's own value is no change.
  assert tune.overrides(config(), found.best) == {}
  two = tune.overrides(config(), found.best._replace(gamma=2.0))
  assert two == {'r1.weight': 2.0, 'r2.weight': 1.0}
  report = json.loads((tmp_path / 'report.json').read_text())
  assert report['best']['gamma'] == 1.0
  assert (tmp_path / 'scores.png').exists()


def test_the_plot_has_each_score_and_its_interval_over_gamma(tmp_path, monkeypatch):
  drawn = []
  monkeypatch.setattr(Figure, 'savefig', lambda figure, *_, **__: drawn.append(figure))
  found = tune.tune(config(), search(tmp_path), Trainer(best=1.1))
  (axes,) = drawn[0].axes
  for container, (_, lines) in zip(axes.containers, found.rungs, strict=True):
    scores, _, (intervals,) = container
    ends = KEY, f'{KEY}_low', f'{KEY}_high'
    expected = np.array(sorted([c.gamma, *(line[k] for k in ends)] for c, line in lines.items()))
    np.testing.assert_allclose(scores.get_xydata(), expected[:, :2])
    segments = np.array(intervals.get_segments())
    np.testing.assert_allclose(segments[:, :, 0], expected[:, [0, 0]])
    np.testing.assert_allclose(segments[:, :, 1], expected[:, 2:])


def test_what_its_interval_reaches_is_named(tmp_path):
  found = tune.tune(config(), search(tmp_path, gammas=(0.7, 1.0)), Trainer(best=0.9))
  assert found.best.gamma == 1.0
  assert [c.gamma for c in found.as_good] == [0.7]
  assert found.at_border


@pytest.mark.parametrize('diverges', [(), (0.2,)])
def test_what_its_interval_does_not_reach_is_not_as_good(tmp_path, diverges):
  found = tune.tune(config(), search(tmp_path, gammas=(0.2, 1.0)), Trainer(diverges=diverges))
  assert (found.best.gamma, found.as_good) == (1.0, [])


def test_a_run_that_is_not_finite_is_the_last(tmp_path):
  found = tune.tune(config(), search(tmp_path), Trainer(best=8.0, diverges=(8.0,)))
  assert found.best.gamma == 2.0
  lines = found.rungs[0][1]
  assert [c.gamma for c, line in lines.items() if line is None] == [8.0]


def test_a_search_that_was_stopped_repeats_nothing(tmp_path):
  class Stopping(Trainer):
    def __call__(self, *arguments):
      if len(self.calls) == 6:
        raise KeyboardInterrupt
      return super().__call__(*arguments)

  first = Stopping()
  with pytest.raises(KeyboardInterrupt):
    tune.tune(config(), search(tmp_path), first)
  second = Trainer()
  tune.tune(config(), search(tmp_path), second)
  assert len(first.calls) + len(second.calls) == 10
  assert not set(first.calls) & set(second.calls)


def test_the_mean_over_seeds_counts(tmp_path):
  trainer = Trainer()
  found = tune.tune(config(), search(tmp_path, seeds=2, gammas=(0.5, 1.0)), trainer)
  assert len(trainer.calls) == 4
  assert found.best.gamma == 1.0


def test_the_grid_has_the_own_value_and_the_rule_of_thumb():
  made = config()
  gammas = [c.gamma for c in tune.candidates(made, tune.Search('x', 1))]
  assert 1.0 in gammas
  size = made.dataset.resolution
  rule = 0.0002 * size * size / made.train.batch_size
  assert min(abs(g / rule - 1) for g in gammas) < 0.01
  assert gammas == sorted(gammas)


@pytest.mark.parametrize(
  ('changes', 'options', 'match'),
  [
    ({'regularisers': ()}, {}, 'none has a γ to be found; accepted with one of r1, r2'),
    ({'evaluate.images': 0}, {}, 'candidates are compared by a distance'),
    ({}, {'budget_images': 10}, 'budget_images=10: is less than a step'),
    ({}, {'gammas': (-1.0,)}, 'accepted: numbers above 0'),
  ],
)
def test_what_cannot_be_searched_is_refused(tmp_path, changes, options, match):
  with pytest.raises(UserError, match=match):
    tune.tune(config(**changes), search(tmp_path, **options), Trainer())


def test_the_command_has_what_was_found_in_place_of_what_was_given():
  found = tune.Found(tune.Candidate(2.0, 1.0, 16), [], False, {'r1.weight': 2.0}, [])
  line = tune.command('my configs/a.py', found)
  assert line == ['launch.py', 'train', '--config=my configs/a.py', '--config.r1.weight=2']
  given = ['--config.r1.weight=1', "--config.regularisers=('r1',)"]
  line = tune.command('a.py', found, given)
  assert line[2:] == ['--config=a.py', given[1], '--config.r1.weight=2']


def test_the_end_of_a_search_shows_every_score_of_every_candidate(capsys):
  line = lambda value: {KEY: value, f'{KEY}_low': value - 1, f'{KEY}_high': value + 2}
  first = {'γ 0.1': line(5.25), 'γ 1': line(3.5), 'γ 8': None}
  shown.show_tuned(KEY, [(1000, first), (4000, {'γ 1': {KEY: 2.5}})], 'γ 1', ['γ 0.1'], True)
  said = capsys.readouterr().out.splitlines()
  rows = [[cell.strip() for cell in each.split('│')[1:-1]] for each in said if '│' in each]
  assert rows == [
    ['γ 0.1', '5.25 [4.25, 7.25]', ''],
    ['γ 1', '3.5 [2.5, 5.5]', '2.5 [2.5, 2.5]'],
    ['γ 8', 'not finite', ''],
  ]
  assert '1,000 images' in '\n'.join(said)
  assert 'best         γ 1; as good by this evidence: γ 0.1' in said
  assert said[-1].startswith('! the best γ is the smallest or the largest tried')


@pytest.mark.slow
def test_a_real_search(tmp_path, user_folders):
  made = config(**{'train.log_images': 16})
  options = search(tmp_path, gammas=(0.1, 1.0), budget_images=256)
  found = tune.tune(made, options)
  assert found.best.gamma in (0.1, 1.0)
  ((images, lines),) = found.rungs
  assert images == 128
  assert all(line[KEY] > 0 for line in lines.values())
