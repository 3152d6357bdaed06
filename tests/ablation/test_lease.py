import json
import os
import subprocess
import sys
import time

import pytest

from gan_jax.ablation import lease
from gan_jax.ablation.lease import Leases
from gan_jax.ablation.root import Root
from gan_jax.workdir import files

KEY = 'abcdef012345'


@pytest.fixture
def root(tmp_path):
  made = Root(str(tmp_path))
  made.make()
  return made


def write(root, number, **about):
  with open(root.lease(KEY, number), 'w') as file:
    json.dump(about, file)


def read(root, number):
  return files.read_json(root.lease(KEY, number))


def test_a_run_is_taken_once_until_it_is_given_up(root):
  first = Leases(root).take(KEY)
  assert first is not None
  assert Leases(root).take(KEY) is None
  assert Leases(root).held(KEY)
  first.release()
  assert not Leases(root).held(KEY)
  again = Leases(root).take(KEY)
  assert again is not None
  again.release()


def test_a_process_of_this_machine_that_is_gone_holds_nothing(root):
  gone = subprocess.run(
    [sys.executable, '-c', 'import os; print(os.getpid())'], capture_output=True
  )
  write(root, 1, **{**lease.whoami(), 'pid': int(gone.stdout), 'beat': 3})
  assert not Leases(root).held(KEY)


def test_another_process_with_the_number_of_one_that_is_gone_holds_nothing(root):
  write(root, 1, **{**lease.whoami(), 'started': 'long ago', 'beat': 3})
  assert not Leases(root).held(KEY)


def test_of_another_machine_one_is_stale_once_no_beat_was_seen_for_long(root, monkeypatch):
  now = [0.0]
  monkeypatch.setattr(lease.time, 'monotonic', lambda: now[0])
  leases = Leases(root, stale_seconds=60)
  write(root, 1, host='elsewhere', pid=1, started='1', beat=0)
  assert leases.held(KEY)
  now[0] = 50
  write(root, 1, host='elsewhere', pid=1, started='1', beat=1)
  assert leases.held(KEY)
  now[0] = 109
  assert leases.held(KEY)
  now[0] = 111
  taken = leases.take(KEY)
  assert taken is not None
  taken.release()


def test_a_lease_in_the_making_is_another_processs(root):
  open(root.lease(KEY, 1), 'w').close()
  assert Leases(root).take(KEY) is None


def test_whoever_was_slow_finds_that_the_run_was_taken_over(root, monkeypatch):
  monkeypatch.setattr(lease, 'BEAT_SECONDS', 0.05)
  slow = Leases(root).take(KEY)
  write(root, 2, host='elsewhere', pid=1, started='1', beat=0)
  assert slow.lost.wait(5)
  slow.release()
  assert not read(root, 1).get('released')


def test_beats_are_written(root, monkeypatch):
  monkeypatch.setattr(lease, 'BEAT_SECONDS', 0.02)
  held = Leases(root).take(KEY)
  deadline = time.monotonic() + 10
  beat = lambda: read(root, 1)['beat']
  while beat() < 3 and time.monotonic() < deadline:
    time.sleep(0.02)
  held.release()
  assert beat() >= 3


def test_many_processes_take_each_run_once(root):
  """Eight processes, twenty runs of which each is stale: every one goes to one of them."""
  keys = [f'{number:012x}' for number in range(20)]
  for key in keys:
    with open(root.lease(key, 1), 'w') as file:
      json.dump({**lease.whoami(), 'started': 'long ago', 'beat': 1}, file)
  script = (
    'import sys, time\n'
    'from gan_jax.ablation.lease import Leases\n'
    'from gan_jax.ablation.root import Root\n'
    'sys.stdin.readline()\n'
    'leases = Leases(Root(sys.argv[1]))\n'
    'kept = [(key, leases.take(key)) for key in sys.argv[2:]]\n'
    'print(*[key for key, lease in kept if lease], flush=True)\n'
    'sys.stdin.readline()\n'
  )
  processes = [
    subprocess.Popen(
      [sys.executable, '-c', script, root.path, *keys],
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      text=True,
      env={**os.environ, 'PYTHONPATH': os.getcwd()},
    )
    for _ in range(4)
  ]
  for process in processes:
    process.stdin.write('go\n')
    process.stdin.flush()
  taken = [process.stdout.readline().split() for process in processes]
  for process in processes:
    process.communicate('end\n')
  assert sorted(key for each in taken for key in each) == keys
