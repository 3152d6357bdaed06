"""Training over several processes, which stand for hosts: the same run as on one, and its ends."""

import json
import os
import shutil
import signal
import time

import pytest

from gan_jax.workdir import record
from tests.several_hosts import (
  SMALL,
  assert_same,
  begin,
  children,
  each_host,
  finish,
  start,
  state,
  succeed,
  train,
  wait_for,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def alone(tmp_path_factory):
  """An undisturbed run of one process with four devices."""
  workdir = tmp_path_factory.mktemp('alone') / 'run'
  train(workdir, processes=1, devices=4)
  return workdir


@pytest.fixture(scope='module')
def pair(tmp_path_factory):
  """An undisturbed run of two processes with two devices each."""
  workdir = tmp_path_factory.mktemp('pair') / 'run'
  said = train(workdir)
  assert said.count('images/s') > 0
  assert said.count('scores at 192 images') == 1, 'one of them speaks'
  return workdir


def starts(workdir):
  return json.loads((workdir / 'run.json').read_text())['starts']


def test_two_processes_make_the_run_of_one(alone, pair):
  # Sums over devices are taken in another order: float32's rounding after twelve steps.
  assert_same(state(alone), state(pair), 1e-4)
  scores = [
    {k: v for line in record.read_metrics(str(run), 'scores') for k, v in line.items()}
    for run in (alone, pair)
  ]
  assert scores[0].keys() == scores[1].keys()
  for name in ('fd_classifier', 'kid_classifier'):
    assert scores[1][name] == pytest.approx(scores[0][name], rel=1e-3)
  kinds = [[(n['kind'], n['step']) for n in record.read_metrics(str(r))] for r in (alone, pair)]
  assert kinds[0] == kinds[1], 'every line is there, and once'
  grids = [sorted(path.name for path in (run / 'samples').iterdir()) for run in (alone, pair)]
  assert grids[0] == grids[1]
  assert starts(pair)[-1]['hosts'] == 2


def test_what_two_saved_one_goes_on_with_and_the_reverse(alone, pair, tmp_path):
  for saved, then in ((pair, 1), (alone, 2)):
    workdir = tmp_path / str(then)
    shutil.copytree(saved, workdir)
    shutil.rmtree(workdir / 'checkpoints' / '000000012')  # as if stopped after the eighth step
    train(workdir, processes=then, devices=4 // then)
    assert [line['hosts'] for line in starts(workdir)] == [3 - then, then]
    assert_same(state(alone), state(workdir), 1e-4)


def test_stopped_by_a_signal_to_one_and_killed_by_either_the_pair_goes_on_and_does_not_differ(
  pair, tmp_path
):
  """One run that is stopped, and killed twice: what any of the three had lost would show."""
  log = '--config.train.log_images=16'
  process = start(tmp_path, log)
  wait_for(process, tmp_path, 16)
  os.kill(children(process)[1], signal.SIGTERM)
  code, said = finish(process)
  assert code == 75, said
  assert said.count('the same command continues') == 2, said
  assert 0 < state(tmp_path)[0] < 12
  for victim, images in ((0, 80), (1, 112)):
    began = time.time()
    process = start(tmp_path, log)
    wait_for(process, tmp_path, images, began)
    os.kill(children(process)[victim], signal.SIGKILL)
    code, said = finish(process, 60)
    assert code not in (0, 75), said
  train(tmp_path, log)
  assert_same(state(pair), state(tmp_path), 0)


def test_what_one_refuses_all_refuse(tmp_path):
  (tmp_path / 'run').write_text('a file')
  code, said = finish(start(tmp_path / 'run'))
  assert code == 2
  assert said.count('launch.py: ') == 2
  assert 'host 0: ' in said


def test_evaluation_and_samples_of_two_processes_are_those_of_one(alone, tmp_path):
  found = {}
  for count in (1, 2):
    out = tmp_path / str(count)
    options = '--num_samples=33', '--num_reals=101', '--metrics=all', f'--out={out}'
    succeed(begin('evaluate', f'--workdir={alone}', *options, f'--processes={count}', devices=1))
    found[count] = json.loads((out / 'scores.json').read_text())
  values = lambda count: {
    score['name']: score['value'] for row in found[count]['rows'] for score in row['scores']
  }
  assert values(2) == pytest.approx(values(1), rel=1e-4, abs=1e-5)
  grids = [tmp_path / f'{k}.png' for k in range(2)]
  succeed(begin('sample', f'--workdir={alone}', '--count=8', f'--out={grids[0]}'))
  succeed(*each_host(lambda k: ('sample', f'--workdir={alone}', '--count=8', f'--out={grids[1]}')))
  assert grids[0].read_bytes() == grids[1].read_bytes()


def test_hosts_with_homes_of_their_own_have_one_classifier(tmp_path):
  homes = [tmp_path / f'home{k}' for k in range(2)]
  begun = lambda name: each_host(
    lambda k: ('train', '--config=configs/smoke.py', f'--workdir={tmp_path / name}'),
    lambda k: {'XDG_CACHE_HOME': str(homes[k])},
    SMALL,
  )
  succeed(*begun('first'))
  kept = [sorted((home / 'gan_jax' / 'features').iterdir()) for home in homes]
  assert [path.name for path in kept[0]] == [path.name for path in kept[1]]
  assert all(a.read_bytes() == b.read_bytes() for a, b in zip(*kept, strict=True))
  for path in kept[1]:
    path.unlink()
  succeed(*begun('second'))
  assert_same(state(tmp_path / 'first'), state(tmp_path / 'second'), 0)
  assert [path.name for path in sorted((homes[1] / 'gan_jax' / 'features').iterdir())] == [
    path.name for path in kept[1]
  ], 'the second host has it again'


def test_a_signal_while_it_is_scored_stops_all_with_the_state_saved(pair, tmp_path):
  processes = each_host(
    lambda k: ('train', '--config=configs/smoke.py', f'--workdir={tmp_path / "run"}'),
    lambda k: {'XDG_CACHE_HOME': str(tmp_path / f'home{k}')},
  )
  for line in processes[0].stderr:
    if 'training the classifier' in line:
      break
  for process in processes:
    process.send_signal(signal.SIGTERM)
  found = [finish(process, 60) for process in processes]
  assert [code for code, _ in found] == [75, 75], found
  assert all('the same command continues' in said for _, said in found), found
  train(tmp_path / 'run')
  assert_same(state(pair), state(tmp_path / 'run'), 0)
