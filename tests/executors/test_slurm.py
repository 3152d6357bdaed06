"""Jobs for a Slurm that is not there: its programs are scripts of this test."""

import functools
import os
import signal
import stat
import sys
import threading
import time

import pytest

from configs import smoke
from gan_jax import submit
from gan_jax.errors import UserError
from gan_jax.executors import slurm
from gan_jax.runtime import child, preemption
from gan_jax.workdir import config_file

SBATCH = """#!/bin/sh
cp "$1" {folder}/submitted.sh
echo Submitted batch job 4711
"""
REFUSES = """#!/bin/sh
echo sbatch: error: invalid partition specified: gpuu >&2
echo sbatch: error: Batch job submission failed: Invalid partition name specified >&2
exit 1
"""
SCONTROL = """#!/bin/sh
echo "$@" >> {folder}/asked
echo "JobId=$4 JobName=gan_jax JobState={state} Reason=None"
"""

KEEPS = """#!/bin/sh
[ "$1" = show ] && echo JobState=RUNNING && exit 0
echo 'Requested operation is presently disabled' >&2
exit 1
"""


@pytest.fixture
def cluster(tmp_path, monkeypatch):
  """Puts programs of Slurm into the path; gives what writes them, and their folder."""
  programs = tmp_path / 'bin'
  programs.mkdir()
  monkeypatch.setenv('PATH', f'{programs}{os.pathsep}{os.environ["PATH"]}')

  def write(name, text):
    path = programs / name
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)

  write('sbatch', SBATCH.format(folder=tmp_path))
  write('srun', '#!/bin/sh\n')
  return tmp_path, write


def test_a_job_is_queued_with_all_that_is_asked_for(cluster):
  folder, _ = cluster
  job = slurm.Job(2, 4, 8, 6, 90, 'gpu', {'account': 'the lab', 'exclusive': True})
  assert slurm.submit(['train', '--x=1'], str(folder / 'run' / 'slurm'), job) == ['4711']
  text = (folder / 'submitted.sh').read_text()
  asked = ['nodes=2', 'ntasks-per-node=4', 'gpus-per-node=8', 'cpus-per-task=6', 'time=90']
  asked += ['partition=gpu', 'requeue', 'signal=USR2@120', 'open-mode=append', 'exclusive']
  for each in [*asked, "account='the lab'"]:
    assert f'#SBATCH --{each}\n' in text, each
  (srun,) = [line for line in text.splitlines() if line.startswith('srun ')]
  assert '--cpus-per-task=6' in srun
  assert '--open-mode=append' in srun
  log = slurm.log_of(str(folder / 'run' / 'slurm'), '%j')
  assert log.replace('_0_', '_%t_') in srun


def test_a_run_that_began_with_other_values_is_not_queued_unless_that_is_asked_for(cluster):
  folder, workdir = cluster[0], str(cluster[0] / 'run')
  config = smoke.get_config()
  os.makedirs(workdir)
  config_file.keep_config(workdir, config)
  config.ema.ramp = 0.5
  to_slurm = functools.partial(submit.to_slurm, config, workdir, ['train'], slurm.Job(8))
  with pytest.raises(UserError, match=r'config\.ema\.ramp was 0\.05, is 0\.5'):
    to_slurm()
  assert not (folder / 'submitted.sh').exists()
  assert to_slurm(allow_config_changes=True)[0] == '4711'


def test_an_array_has_as_many_jobs_as_tasks_and_asks_for_no_more_than_it_is_told(cluster):
  folder, _ = cluster
  jobs = slurm.submit(['ablate'], str(folder / 'slurm'), slurm.Job(), 3)
  assert jobs == ['4711_0', '4711_1', '4711_2']
  text = (folder / 'submitted.sh').read_text()
  assert '#SBATCH --array=0-2%3' in text
  assert not [word for word in ('gpus', 'partition', 'cpus') if word in text]


def test_what_sbatch_refuses_is_its_own_first_line_and_leaves_nothing(cluster, capfd):
  folder, write = cluster
  write('sbatch', REFUSES)
  with pytest.raises(UserError, match=r'^--executor=slurm: sbatch: invalid partition .*: gpuu$'):
    slurm.submit(['train'], str(folder / 'runs' / 'a' / 'slurm'), slurm.Job(partition='gpuu'))
  assert capfd.readouterr() == ('', '')
  assert not (folder / 'runs').exists()
  (folder / 'slurm').mkdir()
  (folder / 'slurm' / 'log').touch()
  with pytest.raises(UserError):
    slurm.submit(['train'], str(folder / 'slurm'), slurm.Job())
  assert os.listdir(folder / 'slurm') == ['log']


def test_without_slurm_that_is_said_in_a_line(tmp_path, monkeypatch):
  monkeypatch.setenv('PATH', str(tmp_path))
  with pytest.raises(UserError, match=r'--executor=slurm: .*srun'):
    slurm.submit([], str(tmp_path / 'slurm'), slurm.Job())
  assert not (tmp_path / 'slurm').exists()


@pytest.mark.parametrize(
  ('text', 'minutes'),
  [
    ('90', 90),
    ('90:30', 90),
    ('12:00:00', 720),
    ('00:10:00', 10),
    ('2-12', 3600),
    ('2-12:30', 3630),
    ('1-00:00:59', 1440),
  ],
)
def test_a_time_is_read_as_sbatch_does(text, minutes):
  assert slurm.minutes(text) == minutes


@pytest.mark.parametrize('text', ['', '9', '1:30', '00:09:59', 'noon', '1h', '-60', '1:2:3:4'])
def test_other_times_and_those_too_short_to_get_anywhere_are_refused(text):
  with pytest.raises(UserError, match=f'--time={text}: accepted: .* from 10 minutes on'):
    slurm.minutes(text)


def test_options_are_read_as_they_stand_in_a_script():
  found = slurm.options("--account=lab --comment='a b' --nodelist=n[1-2],n7 --exclusive")
  expected = {'account': 'lab', 'comment': 'a b', 'nodelist': 'n[1-2],n7', 'exclusive': True}
  assert found == expected
  assert slurm.options('') == {}


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('account=lab', 'account=lab: accepted: long options'),
    ('-A lab', '-A: accepted: long options'),
    ('--account lab', 'lab: accepted: long options'),
    ("--comment='a", 'No closing quotation'),
    ('--nodes=2', '--nodes: --nodes says so'),
    ('--ntasks-per-node=2', '--ntasks-per-node: --processes says so'),
    ('--output=x', '--output: is not to be set'),
  ],
)
def test_other_options_are_refused(text, message):
  with pytest.raises(UserError, match=f'--sbatch.*{message}'):
    slurm.options(text)


def command(monkeypatch, code):
  """Has tasks run a line of Python instead of a command of launch.py."""
  monkeypatch.setattr(child, 'command', lambda parent, cores, *words: [sys.executable, '-c', code])
  monkeypatch.setenv('SLURM_JOB_ID', '4711')


@pytest.fixture(autouse=True)
def handlers():
  """Puts back the handlers that a task sets."""
  before = [signal.getsignal(number) for number in preemption.SIGNALS]
  yield
  for number, handler in zip(preemption.SIGNALS, before, strict=True):
    signal.signal(number, handler)


def ended(task):
  """The exit code of a task."""
  try:
    task()
  except SystemExit as left:
    return left.code
  return 0


def test_a_task_works_in_a_process_of_its_own_and_has_its_code(capfd):
  assert ended(slurm.Task(['ablate', '--help'])) == 0
  assert 'launch.py ablate' in capfd.readouterr().out
  assert ended(slurm.Task(['ablate', '--sweep=nothing.py'])) == 2


@pytest.mark.parametrize(
  ('code', 'left'), [('exit(1)', 1), ('import os; os.kill(os.getpid(), 9)', 137)]
)
def test_a_task_that_fails_is_not_queued_again(cluster, monkeypatch, code, left):
  folder, write = cluster
  write('scontrol', SCONTROL.format(folder=folder, state='RUNNING'))
  command(monkeypatch, code)
  assert ended(slurm.Task(['train'])) == left
  assert not (folder / 'asked').exists()


@pytest.mark.parametrize(
  ('state', 'variables', 'asked'),
  [
    ('RUNNING', {}, ['show job --oneliner 4711', 'requeue 4711']),
    ('COMPLETING', {}, ['show job --oneliner 4711']),  # cancelled, or queued again by Slurm
    (
      'RUNNING',  # one task of an array, not the whole
      {'SLURM_ARRAY_JOB_ID': '4700', 'SLURM_ARRAY_TASK_ID': '3'},
      ['show job --oneliner 4700_3', 'requeue 4700_3'],
    ),
    ('RUNNING', {'SLURM_PROCID': '1'}, []),  # the first process does it
  ],
)
@pytest.mark.parametrize('code', ['exit(75)', 'import os; os.kill(os.getpid(), 12)'])
def test_a_task_that_was_stopped_is_queued_again_unless_slurm_has_decided(
  cluster, monkeypatch, code, state, variables, asked
):
  folder, write = cluster
  write('scontrol', SCONTROL.format(folder=folder, state=state))
  command(monkeypatch, code)
  for name, value in variables.items():
    monkeypatch.setenv(name, value)
  assert ended(slurm.Task(['train'])) == 75
  found = (folder / 'asked').read_text().splitlines() if (folder / 'asked').exists() else []
  assert found == asked


def test_a_task_that_slurm_does_not_queue_again_says_so_and_why(cluster, monkeypatch, capfd):
  _, write = cluster
  write('scontrol', KEEPS)
  command(monkeypatch, 'exit(75)')
  assert ended(slurm.Task(['train'])) == 75
  said = 'job 4711 is not queued again: Requested operation is presently disabled'
  assert said in capfd.readouterr().out


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2])
@pytest.mark.parametrize('listens', [True, False])
def test_signals_of_slurm_reach_the_command_which_may_not_listen_yet(
  cluster, monkeypatch, number, listens
):
  folder, write = cluster
  write('scontrol', SCONTROL.format(folder=folder, state='COMPLETING'))
  ready = folder / 'ready'
  handler = 'signal.signal(signal.SIGTERM, lambda *_: exit(75))' if listens else 'pass'
  code = f'import signal, time; {handler}; open({str(ready)!r}, "w"); time.sleep(60)'
  command(monkeypatch, code)

  def send():
    while not ready.exists():
      time.sleep(0.01)
    os.kill(os.getpid(), number)

  threading.Thread(target=send).start()
  assert ended(slurm.Task(['train'])) == 75


def test_a_task_that_has_not_begun_goes_on_as_it_was():
  task = slurm.Task(['a', 'b'])
  assert task.checkpoint().function is task
