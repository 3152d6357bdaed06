"""What a run does when it is due, and of which generator: intervals that no batch divides."""

import math
import os
import shutil

import jax
import numpy as np
import pytest

from configs import smoke
from gan_jax import build
from gan_jax.evaluation.keeper import ScoreKeeper
from gan_jax.sampling.sampler import Sampler
from gan_jax.train import train
from gan_jax.workdir import checkpoint, record

BATCH = 16
IMAGES, LAST = 100, 7  # the last of seven steps goes beyond the length
INTERVALS = {'log': 40, 'sample': 24, 'checkpoint': 40, 'evaluate': 50}


def due(interval):
  """Steps that first reach a multiple of an interval, and the last one."""
  times = range(1, LAST * BATCH // interval + 1)
  return sorted({*(math.ceil(n * interval / BATCH) for n in times), LAST})


def config():
  made = smoke.get_config()
  made.train.images = IMAGES
  made.evaluate.images = INTERVALS['evaluate']
  for name in ('log', 'sample', 'checkpoint'):
    made.train[f'{name}_images'] = INTERVALS[name]
  made.checkpoint.keep_last = 100
  return made


class Seen:
  """A run of which grids and scores are noted instead of made."""

  def __init__(self, workdir, patch):
    self.workdir, self.scored, self.drawn = workdir, [], []

    def score(keeper, writer, step, images, variables):
      self.scored.append((step, images, variables))
      writer.write('scores', step, images, {})
      keeper.lines[step] = {'step': step, 'images': images}

    def draw(sampler, variables, labels, seed, *args, **options):
      self.drawn.append((variables, labels, seed))
      yield np.zeros((len(labels), 16, 16, 1), np.uint8)

    patch.setattr(ScoreKeeper, 'score', score)
    patch.setattr(Sampler, 'draw', draw)

  def run(self):
    train(config(), self.workdir)

  def saved(self, step):
    return checkpoint.Checkpointer(self.workdir, read_only=True).read(step)[1]


@pytest.fixture(scope='module')
def run(tmp_path_factory, user_folders):
  with pytest.MonkeyPatch.context() as patch:
    seen = Seen(str(tmp_path_factory.mktemp('intervals')), patch)
    seen.run()
    yield seen


def equal(a, b):
  pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
  return all(np.array_equal(x, y) for x, y in pairs)


def test_each_is_done_at_the_first_step_past_its_multiples_and_at_the_end(run):
  lines = record.read_metrics(run.workdir)
  assert [line['step'] for line in lines if line['kind'] == 'train'] == due(INTERVALS['log'])
  grids = [images for images, _ in record.sample_grids(run.workdir)]
  assert grids == [BATCH * step for step in [0, *due(INTERVALS['sample'])]]
  scored = [(step, BATCH * step) for step in [0, *due(INTERVALS['evaluate'])]]
  assert [each[:2] for each in run.scored] == scored
  # Before scores are made, which may take long, the step is saved.
  saved = sorted({*due(INTERVALS['checkpoint']), *due(INTERVALS['evaluate'])})
  assert checkpoint.Checkpointer(run.workdir, read_only=True).steps() == saved
  assert [line['step'] for line in lines if line['kind'] == 'end'] == [LAST]


def test_scores_and_grids_are_of_the_average_of_their_own_step(run):
  for step, _, variables in run.scored[1:]:
    state = run.saved(step)
    assert equal(variables, state['ema'])
    assert not equal(variables['params'], state['generator']['params'])
  steps = [0, *due(INTERVALS['sample'])]
  at = dict(zip(steps, run.drawn, strict=True))
  for step in set(steps) & set(due(INTERVALS['checkpoint'])):
    assert equal(at[step][0], run.saved(step)['ema'])
  assert len({labels.tobytes() + bytes(seed) for _, labels, seed in run.drawn}) == 1


def test_what_is_called_untrained_is_the_generator_before_training(run):
  made = config()
  parts = build.networks(made, 1, 10)
  first = build.initial_program(made, parts)(jax.random.key(made.seed))
  (step, images, variables), *_ = run.scored
  assert (step, images) == (0, 0)
  assert equal(variables, first.ema)
  assert equal(run.drawn[0][0], first.ema)
  assert not equal(variables['params'], run.saved(LAST)['ema']['params'])


def test_the_same_command_draws_and_scores_nothing_again(run):
  before = len(run.scored), len(run.drawn), record.read_metrics(run.workdir)
  run.run()
  assert (len(run.scored), len(run.drawn), record.read_metrics(run.workdir)) == before


def test_a_grid_that_is_missing_is_drawn_when_the_run_goes_on(run, tmp_path):
  last = record.sample_grids(run.workdir)[-1][1]
  shutil.move(last, tmp_path)
  drawn = len(run.drawn)
  run.run()
  assert os.path.exists(last)
  assert len(run.drawn) == drawn + 1
  assert equal(run.drawn[-1][0], run.saved(LAST)['ema'])
