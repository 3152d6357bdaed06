"""Sweeps that are really run, killed, stopped and gone on with, in processes of their own."""

import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import pytest

from gan_jax import ablate
from gan_jax.ablation import export, local, plan, results, status
from gan_jax.ablation.root import Root
from gan_jax.ablation.status import State
from gan_jax.workdir import record
from gan_jax.workdir.lease import Leases

ROOT = pathlib.Path(__file__).parent.parent.parent
KILLS = int(os.environ.get('GAN_JAX_KILLS', '2'))  # 30 take some minutes

SWEEP = """
from configs import smoke
from gan_jax.ablation import sweep

def get_sweep():
  base = smoke.get_config()
  base.evaluate.features, base.evaluate.metrics = ('pixels',), ('fd',)
  base.checkpoint.best_score = 'fd_pixels'
  return sweep.Sweep('Which?', base, {variants}, 'plain', sweep.Budget(images=192), {seeds})
"""
TWO = "{'plain': {}, 'hinge': {'loss.name': 'hinge'}}"


@pytest.fixture
def sweep_file(tmp_path, children):
  """Writes the file of a sweep whose runs take a second or two."""

  def write(variants=TWO, seeds='(0, 1)'):
    path = tmp_path / 'tiny.py'
    path.write_text(SWEEP.format(variants=variants, seeds=seeds))
    return str(path)

  return write


def start(path, root, *arguments):
  return subprocess.Popen(
    [sys.executable, str(ROOT / 'launch.py'), 'ablate', f'--sweep={path}', f'--root={root}',
     '--noestimate', *arguments],
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
    cwd=ROOT,
  )  # fmt: skip


def run(path, root, *arguments):
  process = start(path, root, *arguments)
  said, _ = process.communicate(timeout=600)
  return process.returncode, said


def table(root):
  place = Root(str(root))
  return export.as_csv(results.read(place, 'tiny', place.sweeps()['tiny']))


@pytest.mark.slow
def test_a_sweep_that_was_stopped_and_killed_again_and_again_has_the_table_of_one_that_was_not(
  sweep_file, tmp_path
):
  """A signal, then kill -9 of either of two processes, with all that they started."""
  seeds = tuple(range(max(2, KILLS // 2)))
  path = sweep_file(seeds=str(seeds))
  began = time.monotonic()
  assert run(path, tmp_path / 'whole')[0] == 0
  of_a_run = (time.monotonic() - began) / (2 * len(seeds))
  expected = table(tmp_path / 'whole')
  assert 'inf' not in expected
  process = start(path, tmp_path / 'killed')
  for line in process.stdout:
    if 'begins' in line:
      break
  process.send_signal(signal.SIGTERM)
  said, _ = process.communicate(timeout=120)
  assert process.returncode == 75
  assert 'the same command goes on' in said
  assert 'Traceback' not in said
  rng = random.Random(0)
  kills = 0
  workers = [start(path, tmp_path / 'killed') for _ in range(2)]
  while kills < KILLS:
    time.sleep(of_a_run * rng.uniform(0.2, 1))
    place = rng.randrange(2)
    if workers[place].poll() is not None:  # all done: begin anew
      break
    workers[place].send_signal(signal.SIGKILL)
    workers[place].communicate()
    kills += 1
    workers[place] = start(path, tmp_path / 'killed')
  assert kills
  for worker in workers:
    worker.communicate(timeout=600)
  code, said = run(path, tmp_path / 'killed')
  assert code == 0
  assert 'No difference from plain is shown' in said
  assert table(tmp_path / 'killed') == expected
  root = Root(str(tmp_path / 'killed'))
  for key in os.listdir(tmp_path / 'killed' / 'runs'):
    steps = [line['step'] for line in record.read_metrics(root.workdir(key), 'train')]
    assert steps == sorted(set(steps))
    assert not status.failures(root, key)


@pytest.mark.slow
def test_a_failed_run_is_told_tried_again_as_asked_and_another_one_is_not_held_up(
  sweep_file, tmp_path
):
  path = sweep_file("{'plain': {}, 'other': {'dataset.split': 'train[:10%]'}}", '(0,)')
  root = Root(str(tmp_path / 'root'))
  root.make()
  made = plan.plan(*ablate.load(path))
  broken = made.runs[1].key
  os.makedirs(root.workdir(broken))
  pathlib.Path(root.workdir(broken), 'metrics.jsonl').write_text('no record\nat all\n')
  code, said = run(path, root.path, '--retries=1')
  assert code == 1
  assert '1 run failed' in said
  assert '--retries=2 tries them again' in said
  assert said.count('! other, seed 0') == 2
  assert 'line 1 is none of a record' in said
  assert len(status.failures(root, broken)) == 2
  assert status.state(root, made.runs[1], 1) is State.FAILED
  assert status.state(root, made.runs[0], 1) is State.FINISHED
  assert 'plain, seed 0' in said
  # Mended, and asked to be tried once more.
  os.unlink(pathlib.Path(root.workdir(broken), 'metrics.jsonl'))
  code, said = run(path, root.path, '--retries=2')
  assert status.state(root, made.runs[1], 2) is State.FINISHED
  assert 'plain, seed 0' not in said.partition('compared by')[2].partition('variant')[0]


@pytest.mark.parametrize('word', ['asked', 'killed'])
def test_a_run_that_is_asked_to_stop_before_it_heeds_signals_has_not_failed(tmp_path, word):
  root = Root(str(tmp_path / 'root'))
  root.make()
  path = tmp_path / 'tiny.py'
  path.write_text(SWEEP.format(variants=TWO, seeds='(0,)'))
  planned = plan.plan(*ablate.load(str(path))).runs[0]
  process = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])
  lease = Leases(root.leases).take(planned.key)
  with open(tmp_path / 'log', 'ab') as log:
    children = {0: local._Child(planned, lease, process, log, 0)}
    if word == 'killed':
      process.kill()
      process.wait()
    local._stop(children, root, lambda line: None)
  assert not children
  assert len(status.failures(root, planned.key)) == (word == 'killed')
  assert status.state(root, planned) is (State.FAILED if word == 'killed' else State.NEW)
  assert Leases(root.leases).take(planned.key)


def test_runs_at_a_time_have_cores_of_their_own_and_all_is_told_of_them(tmp_path, monkeypatch):
  """Processes that fail once all are told to be at work, in the place of trainings."""
  root = Root(str(tmp_path / 'root'))
  root.make()
  path = tmp_path / 'tiny.py'
  path.write_text(SWEEP.format(variants=TWO, seeds='(0,)'))
  made = plan.plan(*ablate.load(str(path)))
  cores, told, said, seen = [], [], [], tmp_path / 'seen'

  def failing(parent, own, *words):
    cores.append(own)
    waits = f'import os, time\nwhile not os.path.exists({str(seen)!r}): time.sleep(0.01)\nexit(3)'
    return [sys.executable, '-c', waits]

  def watch(states, at_work):
    told.append((dict(states), set(at_work)))
    if len(at_work) == 2:
      seen.touch()

  monkeypatch.setattr(os, 'sched_getaffinity', lambda pid: {0, 1, 2, 3})
  monkeypatch.setenv('JAX_PLATFORMS', 'cpu')
  monkeypatch.setattr(local.child, 'command', failing)
  monkeypatch.setattr(local, '_TICK', 0.02)
  found = local.work(made, root, 2, 0, said.append, watch)
  keys = set(made.distinct)
  assert cores == [[0, 1], [2, 3]]
  assert found == dict.fromkeys(keys, State.FAILED)
  assert told[0] == (dict.fromkeys(keys, State.NEW), set())
  assert told[-1] == (found, set())
  assert set().union(*(at_work for _, at_work in told)) == keys
  assert sum('failed (exit code 3)' in line for line in said) == 2


def test_cores_and_gpus_are_shared_out(monkeypatch):
  monkeypatch.setattr(os, 'sched_getaffinity', lambda pid: {0, 1, 2, 3, 4})
  monkeypatch.setenv('JAX_PLATFORMS', 'cpu')
  assert local._share(0, 1) == ([], {})
  assert [local._share(slot, 2)[0] for slot in (0, 1)] == [[0, 1], [2, 3]]
  assert [local._share(slot, 5)[0] for slot in range(5)] == [[0], [1], [2], [3], [4]]
  assert local._share(0, 6) == ([], {})
  monkeypatch.setenv('JAX_PLATFORMS', 'cuda')
  monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '0,1,2')
  assert local._share(0, 1) == ([], {})
  assert [local._share(slot, 2)[1] for slot in (0, 1)] == [
    {'CUDA_VISIBLE_DEVICES': '0,2'},
    {'CUDA_VISIBLE_DEVICES': '1'},
  ]
  assert local._share(4, 6)[1] == {
    'CUDA_VISIBLE_DEVICES': '1',
    'XLA_PYTHON_CLIENT_MEM_FRACTION': '0.45',
  }
