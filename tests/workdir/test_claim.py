"""Two launches on one workdir, on one machine and on two that share it; workdirs that move."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from ml_collections import ConfigDict

from gan_jax.errors import NotDoneError, UserError
from gan_jax.workdir import claim, files, lease
from gan_jax.workdir.claim import check_held, is_claimed

CONFIG = ConfigDict({'a': 1})
ELSEWHERE = {'host': 'elsewhere 1 2', 'pid': 7, 'started': '1', 'since': '2026-01-01T00:00:00Z'}


def take(workdir):
  return claim.claim(str(workdir), CONFIG, False)


def write(workdir, number, **about):
  path = lease.path_of(str(workdir), '.lock', number)
  with open(path, 'w') as file:
    json.dump({**ELSEWHERE, 'beat': 0, 'folder': os.stat(workdir).st_ino, **about}, file)


def test_a_second_launch_is_told_who_trains_there(tmp_path):
  script = (
    'import sys\nfrom gan_jax.workdir.claim import claim\nfrom ml_collections import ConfigDict\n'
    'with claim(sys.argv[1], ConfigDict({"a": 1}), False):\n  print("has it", flush=True)\n'
    '  sys.stdin.readline()\n'
  )
  other = subprocess.Popen(
    [sys.executable, '-c', script, str(tmp_path / 'run')],
    **{'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE, 'text': True},
    env={**os.environ, 'PYTHONPATH': os.getcwd()},
  )
  other.stdout.readline()
  assert not is_claimed(str(tmp_path / 'another'))
  named = rf'another process is training in it \(host .*, process {other.pid}, since 20.*\)'
  with pytest.raises(UserError, match=named), take(tmp_path / 'run'):
    pass
  assert is_claimed(str(tmp_path / 'run'))
  other.kill()  # without a word
  other.communicate()
  assert not is_claimed(str(tmp_path / 'run'))
  with take(tmp_path / 'run'):
    pass


@pytest.fixture
def clock(monkeypatch):
  """Seconds that pass only where the claim waits."""
  now, beats = [0.0], []

  def sleep(seconds):
    now[0] += seconds
    for beat in list(beats):
      beat(now[0])

  monkeypatch.setattr(lease.time, 'monotonic', lambda: now[0])
  monkeypatch.setattr(claim.time, 'sleep', sleep)
  return now, beats


def test_another_machine_without_a_sign_of_life_is_taken_over_after_a_minute(
  tmp_path, clock, caplog
):
  write(tmp_path, 4)
  with take(tmp_path):
    assert 60 <= clock[0][0] <= 62
    assert lease.newest(str(tmp_path), '.lock') == 5
  assert (
    'host elsewhere, process 7, since 2026-01-01T00:00:00Z has not given it back' in caplog.text
  )


def test_what_is_given_back_between_two_looks_is_taken_without_a_word(
  tmp_path, clock, monkeypatch, caplog
):
  own, looks = lease.Leases.take, [None]
  again = lambda *of: looks.pop() if looks else own(*of)
  monkeypatch.setattr(lease.Leases, 'take', again)
  with take(tmp_path):
    assert (clock[0][0], lease.newest(str(tmp_path), '.lock')) == (0.5, 1)
  assert not caplog.text


def test_another_machine_that_is_at_work_is_named(tmp_path, clock):
  write(tmp_path, 4)
  clock[1].append(lambda now: write(tmp_path, 4, beat=int(now)))
  with pytest.raises(UserError, match=r'\(host elsewhere, process 7, since 2026'), take(tmp_path):
    pass
  assert clock[0][0] < 5


def test_where_there_are_no_locks_the_lease_alone_decides(tmp_path, monkeypatch):
  def none(*_):
    raise OSError(95, 'Operation not supported')

  monkeypatch.setattr(claim.fcntl, 'flock', none)
  with (
    take(tmp_path),
    pytest.raises(UserError, match=rf'process {os.getpid()}'),
    take(tmp_path),
  ):
    pass
  with take(tmp_path):
    pass


def test_what_another_machine_has_taken_over_is_left_alone(tmp_path, monkeypatch):
  monkeypatch.setattr(lease, 'BEAT_SECONDS', 0.02)
  with take(tmp_path):
    check_held(str(tmp_path))
    write(tmp_path, 2)
    claim._leases[str(tmp_path)].lost.wait(10)
    with pytest.raises(NotDoneError, match='another process took it over'):
      check_held(str(tmp_path))
  assert 'released' not in files.read_json(lease.path_of(str(tmp_path), '.lock', 2))


def test_a_workdir_that_was_moved_or_copied_goes_on(tmp_path, clock):
  workdir = tmp_path / 'run'
  with take(workdir):
    (workdir / 'config.json').write_text('{"a": 1}')
    shutil.copytree(workdir, tmp_path / 'copy')  # while it is held
    with take(tmp_path / 'copy'):
      pass
  os.rename(workdir, tmp_path / 'moved')
  with take(tmp_path / 'moved'):
    pass
  assert clock[0][0] == 0


def test_what_killed_processes_left_half_written_goes(tmp_path):
  (tmp_path / 'samples').mkdir()
  old, new = tmp_path / 'samples' / '0.png.1.tmp', tmp_path / 'run.json.2.tmp'
  for path in (old, new):
    path.touch()
  os.utime(old, (0, 0))
  with take(tmp_path):
    assert (old.exists(), new.exists()) == (False, True)
