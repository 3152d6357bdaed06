import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest

from gan_jax.workdir import files, lease
from gan_jax.workdir.lease import Leases

KEY = 'abcdef012345'


@pytest.fixture
def folder(tmp_path):
  return str(tmp_path)


def write(place, number, **about):
  with open(lease.path_of(place, KEY, number), 'w') as file:
    json.dump(about, file)


def read(folder, number):
  return files.read_json(lease.path_of(folder, KEY, number))


def held(leases):
  return leases.holder(KEY) is not None


def test_a_run_is_taken_once_until_it_is_given_up(folder):
  first = Leases(folder).take(KEY)
  assert first is not None
  assert Leases(folder).take(KEY) is None
  assert held(Leases(folder))
  first.release()
  assert not held(Leases(folder))
  again = Leases(folder).take(KEY)
  assert again is not None
  again.release()


def test_a_process_of_this_machine_that_is_gone_holds_nothing(folder):
  gone = subprocess.run(
    [sys.executable, '-c', 'import os; print(os.getpid())'], capture_output=True
  )
  write(folder, 1, **{**lease.about_me(folder), 'pid': int(gone.stdout), 'beat': 3})
  assert not held(Leases(folder))


def test_another_process_with_the_number_of_one_that_is_gone_holds_nothing(folder):
  write(folder, 1, **{**lease.about_me(folder), 'started': 'long ago', 'beat': 3})
  assert not held(Leases(folder))


def test_a_process_whose_name_is_no_text_is_known_all_the_same(folder):
  comm = pathlib.Path('/proc/self/comm')
  if not comm.exists():
    pytest.skip('processes have no names to set here')
  before, about = comm.read_bytes(), lease.about_me(folder)
  try:
    comm.write_bytes(b'a) R 1 \xe7\x8c')  # the last letter is cut off
    assert lease.about_me(folder)['started'] == about['started']
  finally:
    comm.write_bytes(before)


def test_of_another_machine_one_is_stale_once_no_beat_was_seen_for_long(folder, monkeypatch):
  now = [0.0]
  monkeypatch.setattr(lease.time, 'monotonic', lambda: now[0])
  leases = Leases(folder, stale_seconds=60)
  write(folder, 1, host='elsewhere', pid=1, started='1', beat=0)
  assert held(leases)
  now[0] = 50
  write(folder, 1, host='elsewhere', pid=1, started='1', beat=1)
  assert held(leases)
  now[0] = 109
  assert held(leases)
  now[0] = 111
  taken = leases.take(KEY)
  assert taken is not None
  taken.release()


def test_a_lease_in_the_making_is_another_processs(folder):
  open(lease.path_of(folder, KEY, 1), 'w').close()
  assert Leases(folder).take(KEY) is None


def test_whoever_was_slow_finds_that_the_run_was_taken_over(folder, monkeypatch):
  monkeypatch.setattr(lease, 'BEAT_SECONDS', 0.05)
  slow = Leases(folder).take(KEY)
  write(folder, 2, host='elsewhere', pid=1, started='1', beat=0)
  assert slow.lost.wait(5)
  slow.release()
  assert not read(folder, 1).get('released')


def test_beats_are_written(folder, monkeypatch):
  monkeypatch.setattr(lease, 'BEAT_SECONDS', 0.02)
  mine = Leases(folder).take(KEY)
  deadline = time.monotonic() + 10
  beat = lambda: read(folder, 1)['beat']
  while beat() < 3 and time.monotonic() < deadline:
    time.sleep(0.02)
  mine.release()
  assert beat() >= 3


def test_a_number_that_was_given_away_before_is_not_taken_once_more(folder, monkeypatch):
  """Between a look at the newest and the making of the next, others had that one and a later."""
  write(folder, 1, **{**lease.about_me(folder), 'released': True})
  write(folder, 3, host='elsewhere', pid=1, started='1', beat=0)
  newest, looks = lease.newest, [1]
  monkeypatch.setattr(lease, 'newest', lambda *of: looks.pop() if looks else newest(*of))
  assert Leases(folder).take(KEY) is None
  assert sorted(os.listdir(folder)) == [f'{KEY}.000001.json', f'{KEY}.000003.json']


def test_many_processes_take_each_run_once(folder):
  """Eight processes, twenty runs of which each is stale: every one goes to one of them."""
  keys = [f'{number:012x}' for number in range(20)]
  for key in keys:
    with open(lease.path_of(folder, key, 1), 'w') as file:
      json.dump({**lease.about_me(folder), 'started': 'long ago', 'beat': 1}, file)
  script = (
    'import sys, time\n'
    'from gan_jax.workdir.lease import Leases\n'
    'sys.stdin.readline()\n'
    'leases = Leases(sys.argv[1])\n'
    'kept = [(key, leases.take(key)) for key in sys.argv[2:]]\n'
    'print(*[key for key, lease in kept if lease], flush=True)\n'
    'sys.stdin.readline()\n'
  )
  processes = [
    subprocess.Popen(
      [sys.executable, '-c', script, folder, *keys],
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


def test_the_holder_is_named_and_known_by_its_beats(folder):
  leases = Leases(folder)
  mine = leases.take(KEY)
  holder = leases.holder(KEY)
  mine.release()
  assert holder.certain
  assert f'process {os.getpid()}, since 20' in holder.name
  write(folder, 2, host='elsewhere 1 2', pid=7, started='1', beat=0, since='2026-01-01T00:00:00Z')
  assert leases.holder(KEY) == ('host elsewhere, process 7, since 2026-01-01T00:00:00Z', False)
  write(folder, 2, host='elsewhere 1 2', pid=7, started='1', beat=1, since='2026-01-01T00:00:00Z')
  assert leases.holder(KEY).certain


def test_a_folder_that_was_copied_is_nobodys_and_one_that_was_moved_is_still_held(tmp_path):
  (tmp_path / 'a').mkdir()
  mine = Leases(str(tmp_path / 'a')).take(KEY)
  shutil.copytree(tmp_path / 'a', tmp_path / 'copy')
  os.rename(tmp_path / 'a', tmp_path / 'b')
  assert not held(Leases(str(tmp_path / 'copy')))
  assert held(Leases(str(tmp_path / 'b')))
  mine.release()


def test_leases_do_not_pile_up(folder):
  for _ in range(6):
    Leases(folder).take(KEY).release()
  assert sorted(os.listdir(folder)) == [f'{KEY}.000005.json', f'{KEY}.000006.json']


def test_on_a_full_disk_it_is_given_up_all_the_same(folder, monkeypatch):
  mine = Leases(folder).take(KEY)

  def full(*_):
    raise OSError(28, 'No space left on device')

  monkeypatch.setattr(files, 'write_json', full)
  mine.release()
  assert not held(Leases(folder))
