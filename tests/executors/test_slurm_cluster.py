"""Runs and sweeps on a Slurm that is there: queued, watched, stopped, made room for, finished."""

import os
import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest

from gan_jax.ablation import results
from gan_jax.ablation.root import Root
from gan_jax.workdir import record
from gan_jax.workdir.checkpoint import Checkpointer
from tests.executors.conftest import wait

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parent.parent.parent
LAUNCH = sys.executable, str(ROOT / 'launch.py')
SMOKE = '--config=configs/smoke.py', '--config.evaluate.images=0'
SWEEP = """
from configs import smoke
from gan_jax.ablation import sweep

def get_sweep():
  base = smoke.get_config()
  base.evaluate.features, base.evaluate.metrics = ('pixels',), ('fd',)
  base.checkpoint.best_score = 'fd_pixels'
  variants = {'plain': {}, 'hinge': {'loss.name': 'hinge'}}
  return sweep.Sweep('Which?', base, variants, 'plain', sweep.Budget(images=192), (0, 1))
"""


def launch(*words):
  return subprocess.run([*LAUNCH, *words], cwd=ROOT, capture_output=True, text=True, check=False)


def queue(*words):
  """Has a command queued; its job, and what was printed by the name of each line."""
  done = launch(*words, '--executor=slurm')
  assert done.returncode == 0, done.stderr
  said = dict(line.split(maxsplit=1) for line in done.stdout.splitlines()[-4:])
  return said['cancel'].split()[-1], said


def read(said):
  """The log that a printed command looks at."""
  path = pathlib.Path(said['watch'].split()[-1])
  return path.read_text() if path.exists() else ''


def state(workdir):
  return Checkpointer(str(workdir), read_only=True).read(None)


def test_a_run_of_two_tasks_that_is_told_before_its_limit_is_queued_again_and_differs_in_no_bit(
  real_slurm, tmp_path
):
  short = *SMOKE, '--config.train.images=1600', '--config.train.log_images=16'
  job, said = queue('train', *short, '--processes=2', '--cpus=1', f'--workdir={tmp_path}/stopped')
  wait(lambda: '/1,600 images' in read(said), 240, lambda: read(said))
  real_slurm('scancel', '--signal=USR2', job)  # as Slurm does before a limit
  wait(lambda: real_slurm.shown(job, 'Restarts') == '1', 120, lambda: read(said))
  real_slurm.wait(job, 'COMPLETED', 300)
  log = read(said)
  assert f'job {job} is queued again' in log
  assert 0 < int(log.split('saved at ')[1].split()[0].replace(',', '')) < 1600
  assert f'continuing {tmp_path}/stopped' in log
  whole = [*LAUNCH, 'train', *short, f'--workdir={tmp_path}/whole']
  real_slurm('srun', '--ntasks=2', f'--chdir={ROOT}', *whole)  # a job without submitit
  steps = [[line['step'] for line in record.read_metrics(str(tmp_path / run))] for run in
           ('stopped', 'whole')]  # fmt: skip
  assert steps[0] == steps[1]
  found, expected = state(tmp_path / 'stopped'), state(tmp_path / 'whole')
  assert found[0] == expected[0]
  jax.tree.map(np.testing.assert_array_equal, found[1], expected[1])


def test_a_run_makes_room_comes_back_and_is_cancelled_saved(real_slurm, tmp_path):
  workdir = tmp_path / 'run'
  words = 'train', *SMOKE, '--config.train.images=1000000', f'--workdir={workdir}'
  job, said = queue(*words, '--partition=low', '--sbatch=--comment="an option"')
  assert real_slurm.shown(job, 'Comment') == 'an'
  wait(lambda: '/1,000,000 images' in read(said), 240, lambda: read(said))
  room = ['--partition=high', '--cpus-per-task=2', '--output=/dev/null', '--wrap=sleep 1']
  real_slurm('sbatch', *room)
  wait(lambda: 'saved at' in read(said), 60, lambda: read(said))
  wait(lambda: f'continuing {workdir}' in read(said), 240, lambda: read(said))
  assert 'is queued again' not in read(said), 'Slurm did so itself'
  real_slurm('scancel', job)
  wait(lambda: real_slurm.shown(job, 'JobState') == 'CANCELLED', 60)
  assert read(said).count('saved at') == 2
  assert real_slurm.shown(job, 'Restarts') == '1'
  saved = int(read(said).split('saved at ')[2].split()[0].replace(',', ''))
  assert state(workdir)[0] * 16 == saved


def test_a_sweep_is_divided_by_the_tasks_of_an_array_one_of_which_is_stopped(real_slurm, tmp_path):
  sweep, root = tmp_path / 'tiny.py', Root(str(tmp_path / 'root'))
  sweep.write_text(SWEEP)
  words = 'ablate', f'--sweep={sweep}', f'--root={root.path}', '--noestimate'
  job, said = queue(*words, '--parallel=2', '--cpus=1', '--time=1:00:00')
  wait(lambda: 'begins' in read(said), 120, lambda: read(said))
  real_slurm('scancel', '--signal=USR2', f'{job}_0')
  for task in (0, 1):
    real_slurm.wait(f'{job}_{task}', 'COMPLETED', 400)
  assert f'job {job}_0 is queued again' in read(said)
  found = results.read(root, 'tiny', root.sweeps()['tiny'])
  assert [run.state for run in found.runs] == ['finished'] * 4


def test_what_slurm_refuses_is_a_line_and_leaves_nothing(real_slurm, tmp_path):
  for refused, named in (('--partition=nowhere', 'nowhere'), ('--sbatch=--colour=red', 'colour')):
    done = launch('train', *SMOKE, f'--workdir={tmp_path}/run', '--executor=slurm', refused)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert '--executor=slurm: sbatch: ' in done.stderr
    assert named in done.stderr
    assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize(
  ('asked', 'own'),
  [
    (['--ntasks=2', '--gpus-per-node=2'], ['[0]', '[1]']),
    (['--ntasks=1', '--gpus-per-node=2'], ['[0, 1]']),
    (['--ntasks=2', '--gpus-per-task=1'], ['[0]', '[0]']),
  ],
)
def test_tasks_know_their_gpus(real_slurm, monkeypatch, asked, own):
  monkeypatch.setenv('JAX_PLATFORMS', 'cuda')
  code = 'import os; from gan_jax.runtime import gpus; print(gpus.own(os.environ))'
  real_slurm._environment = dict(os.environ)
  said = real_slurm('srun', f'--chdir={ROOT}', *asked, sys.executable, '-c', code)
  assert sorted(said.splitlines()) == own
