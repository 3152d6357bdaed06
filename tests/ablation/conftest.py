"""Folders of ablations: one written by hand, one that was really run."""

import json
import os

import pytest

from configs import smoke
from gan_jax.ablation import plan, sweep
from gan_jax.ablation.root import Root
from gan_jax.workdir import record

SCORE = 'fd_pixels'


def a_config():
  """A run of a second or two: digits of 16 pixels, scored by their pixels."""
  config = smoke.get_config()
  config.evaluate.features = ('pixels',)
  config.evaluate.metrics = ('fd',)
  config.checkpoint.best_score = SCORE
  return config


def a_plan(variants, seeds=(0, 1), baseline=None, name='tiny', **settings):
  made = sweep.Sweep(
    settings.pop('question', 'Which loss?'),
    settings.pop('base', None) or a_config(),
    variants,
    baseline or next(iter(variants)),
    sweep.Budget(images=192),
    seeds,
    **settings,
  )
  return plan.plan(name, made)


def write_run(root, run, values, *, diverged=False, ended=True, interval=1.0):
  """The record that a run with these scores, an evaluation each, would have left."""
  workdir = root.workdir(run.key)
  os.makedirs(workdir, exist_ok=True)
  record.keep_config(workdir, run.config)
  images = run.config.train.images
  for number, value in enumerate(values, start=1):
    shown = images * number // len(values)
    seconds = {'d_loss': 1.0 / number, 'seconds_step': 2.0, 'seconds_input': 0.5}
    record.append_line(workdir, 'train', shown, shown, seconds)
    scores = {
      SCORE: value,
      f'{SCORE}_low': value - interval,
      f'{SCORE}_high': value + interval,
      f'{SCORE}_half1': value + (0.3 if number % 2 else -0.3),
      f'{SCORE}_half2': value + 0.1,
      f'floor_{SCORE}': 0.5,
    }
    record.append_line(workdir, 'scores', shown, shown, scores)
  if diverged:
    record.append_line(workdir, 'non_finite', 3, 48, {'player': 'generator'})
  elif ended:
    record.append_line(workdir, 'end', images, images, {'seconds': 2.5 * len(values)})


@pytest.fixture
def written(tmp_path):
  """Makes a folder of runs with given scores: `written({variant: [[scores of a run], …]})`."""

  def make(scores, **settings):
    count = max(map(len, scores.values()))
    variants = {name: {} if i == 0 else {'dcgan.width': 8 + i} for i, name in enumerate(scores)}
    made = a_plan(variants, tuple(range(count)), **settings)
    root = Root(str(tmp_path / 'root'))
    root.make()
    root.keep_sweep(made.name, made.as_json())
    for run in made.runs:
      if run.seed < len(scores[run.variant]):
        values = scores[run.variant][run.seed]
        write_run(root, run, values or [9.0], diverged=not values)
    return root, made

  return make


@pytest.fixture
def children(monkeypatch, user_folders, data_dir, digits):
  """What processes that are started here need: one device, the digits of the tests."""
  monkeypatch.setenv('JAX_NUM_CPU_DEVICES', '1')


def read_lines(path):
  return [json.loads(line) for line in open(path, encoding='utf-8')]
