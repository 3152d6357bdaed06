"""Processes that belong together: known by their variables, started, and ended with one another."""

import re
import signal
import subprocess
import sys
import time

import pytest

from gan_jax.errors import UserError
from gan_jax.runtime import hosts, preemption, processes

ECHO = 'import os, sys; n = int(os.environ["JAX_PROCESS_ID"]); sys.exit({})'


@pytest.mark.parametrize(
  ('variables', 'several'),
  [
    ({}, False),
    ({'JAX_NUM_PROCESSES': '1'}, False),
    ({'JAX_NUM_PROCESSES': '2'}, True),
    ({'JAX_NUM_PROCESSES': 'two'}, True),
    ({'SLURM_STEP_NUM_TASKS': '1', 'SLURM_NTASKS': '8'}, False),
    ({'SLURM_STEP_NUM_TASKS': '8'}, True),
    ({'OMPI_COMM_WORLD_SIZE': '4'}, True),
    ({'TPU_WORKER_HOSTNAMES': 'a'}, False),
    ({'TPU_WORKER_HOSTNAMES': 'a,b'}, True),
  ],
)
def test_whether_there_are_several_is_known_by_the_variables(variables, several):
  assert processes.asked_for(variables) == several


@pytest.mark.parametrize(
  ('code', 'expected'),
  [('0', 0), ('75', 75), ('3 * (n == 1)', 3), ('os.kill(os.getpid(), 9)', 137)],
)
def test_the_code_is_of_the_first_that_does_not_end_well(code, expected):
  handlers = lambda: [signal.getsignal(number) for number in preemption.SIGNALS]
  before = handlers()
  assert processes.run([sys.executable, '-c', ECHO.format(code)], 2) == expected
  assert handlers() == before


def test_what_goes_on_after_another_has_ended_in_an_error_is_killed(monkeypatch):
  monkeypatch.setattr(processes, '_GRACE_SECONDS', 0.2)
  began = time.monotonic()
  code = 'n and __import__("time").sleep(600) or 4'
  assert processes.run([sys.executable, '-c', ECHO.format(code)], 2) == 4
  assert time.monotonic() - began < 60


def test_gpus_are_dealt_out(monkeypatch, tmp_path):
  monkeypatch.setenv('JAX_PLATFORMS', 'cuda')
  monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '0,1,4,5')
  code = f'open({str(tmp_path)!r} + f"/{{n}}", "w").write(os.environ["CUDA_VISIBLE_DEVICES"]) * 0'
  assert processes.run([sys.executable, '-c', ECHO.format(code)], 2) == 0
  assert [(tmp_path / str(n)).read_text() for n in (0, 1)] == ['0,1', '4,5']
  with pytest.raises(UserError, match='--processes=5: CUDA_VISIBLE_DEVICES names 4'):
    processes.run(['true'], 5)


def test_each_is_told_where_the_first_listens_how_many_there_are_and_which_it_is(tmp_path):
  names = 'JAX_COORDINATOR_ADDRESS', 'JAX_NUM_PROCESSES', 'JAX_PROCESS_ID'
  said = f'" ".join(os.environ[name] for name in {names})'
  code = f'open({str(tmp_path)!r} + f"/{{n}}", "w").write({said}) * 0'
  assert processes.run([sys.executable, '-c', ECHO.format(code)], 3) == 0
  found = [(tmp_path / str(n)).read_text().split(' ') for n in range(3)]
  assert [rest for _, *rest in found] == [['3', '0'], ['3', '1'], ['3', '2']]
  (address,) = {address for address, *_ in found}
  assert re.fullmatch(r'localhost:\d+', address)


@pytest.mark.parametrize('given', [['--processes=2'], ['--processes', '2'], ['-processes', '2']])
def test_a_command_line_loses_flags(given):
  rest = ['launch.py', 'train', '--config=c.py', '--workdir', 'processes']
  found = processes.without_flags(
    [*rest[:3], *given, *rest[3:], '--nodes=3'], {'processes', 'nodes'}
  )
  assert found == rest


def test_a_run_alone_is_so_whatever_started_the_process_that_starts_it():
  others = {'SLURM_STEP_NUM_TASKS': '2', 'OMPI_COMM_WORLD_SIZE': '2', 'JAX_NUM_PROCESSES': '2'}
  assert processes.asked_for(others)
  assert not processes.asked_for(others | processes.ALONE)


def test_flags_of_a_file_are_not_read_again_by_the_processes(tmp_path):
  (tmp_path / 'flags').write_text('--processes=2\n--config=configs/smoke.py\n')
  (tmp_path / 'run').write_text('a file')
  command = [sys.executable, 'launch.py', 'train', f'--flagfile={tmp_path}/flags']
  command.append(f'--workdir={tmp_path}/run')
  done = subprocess.run(command, capture_output=True, text=True, check=False)
  assert done.returncode == 2
  assert done.stderr.count('launch.py: ') == 2, done.stderr


def test_variables_that_do_not_say_enough_are_refused(monkeypatch):
  monkeypatch.setenv('JAX_NUM_PROCESSES', '2')
  monkeypatch.setenv('JAX_COORDINATOR_ADDRESS', 'localhost:1')
  monkeypatch.delenv('JAX_PROCESS_ID', raising=False)
  with pytest.raises(UserError, match='JAX_NUM_PROCESSES=2, JAX_PROCESS_ID=: accepted'):
    hosts.join()


def test_a_mistake_is_one_line_before_anything_starts():
  command = [sys.executable, 'launch.py', 'train', '--config=configs/smoke.py', '--processes=0']
  done = subprocess.run(command, capture_output=True, text=True, check=False)
  assert done.returncode == 2
  assert done.stderr.count('\n') == 1
  assert 'processes' in done.stderr
