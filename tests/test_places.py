"""Places that are full, closed or missing, and a clock that is wrong: said, and nothing lost."""

import os
import pathlib
import pwd
import subprocess

import jax
import pytest

import launch
from configs import smoke
from gan_jax.runtime import cache
from gan_jax.train import train
from gan_jax.workdir import record
from gan_jax.workdir.checkpoint import DIGESTS, Checkpointer


def config(**changes):
  made = smoke.get_config()
  short = {'evaluate.images': 0, 'train.diagnose': False, 'train.images': 96}
  made.update_from_flattened_dict({**short, 'train.checkpoint_images': 16, **changes})
  return made


def run(workdir, capsys, **changes):
  """The exit code of a training and the lines that it says last."""
  capsys.readouterr()
  code = launch._guarded(lambda: train(config(**changes), str(workdir)))
  said = capsys.readouterr().err
  assert 'Traceback' not in said
  return code, said


def state(workdir):
  found = Checkpointer(str(workdir), read_only=True)
  found.read()
  return found.latest(), found.about(found.latest())[DIGESTS]


@pytest.fixture(scope='module')
def whole(tmp_path_factory, user_folders):
  """How an undisturbed run ends."""
  workdir = tmp_path_factory.mktemp('whole')
  train(config(), str(workdir))
  return state(workdir)


@pytest.fixture
def mounted(tmp_path):
  """Mounts a small file system in memory: `mounted('size=1m')`; once more by its place."""
  places = []

  def mount(options, place=None):
    if os.geteuid():
      pytest.skip('only root mounts')
    kind = 'remount,' if place else ''
    place = place or tmp_path / f'small{len(places)}'
    place.mkdir(exist_ok=True)
    done = subprocess.run(
      ['mount', '-t', 'tmpfs', '-o', kind + options, 'tmpfs', str(place)],
      **{'capture_output': True, 'text': True, 'check': False},
    )
    if done.returncode:
      pytest.skip(f'no file systems are mounted here: {done.stderr.strip()}')
    places.append(place)
    return place

  yield mount
  for place in set(places):
    subprocess.run(['umount', '-l', str(place)], check=True)


@pytest.mark.parametrize('filled', ['bytes', 'files'])
def test_a_full_disk_ends_the_run_in_a_line_and_keeps_what_was_saved(
  whole, mounted, capsys, filled
):
  place = mounted('size=64m,nr_inodes=4000')
  workdir = place / 'run'
  assert run(workdir, capsys, **{'train.images': 32})[0] == 0
  before = state(workdir)
  filler = place / 'filler'
  if filled == 'bytes':
    with filler.open('wb', buffering=0) as file, pytest.raises(OSError, match='No space'):
      list(iter(lambda: file.write(bytes(1 << 16)), None))
    with filler.open('r+b') as file:
      file.truncate(filler.stat().st_size - 40_000)
  else:
    filler.mkdir()
    touch = lambda: [(filler / str(number)).touch() for number in range(5000)]
    with pytest.raises(OSError, match='No space'):
      touch()
    for number in range(12):
      (filler / str(number)).unlink()
  code, said = run(workdir, capsys)
  assert code == 1
  (line,) = [each for each in said.splitlines() if each.startswith('launch.py: ')]
  assert 'No space left on device' in line
  assert state(workdir) == before
  subprocess.run(['rm', '-r', str(filler)], check=True)
  code, said = run(workdir, capsys)
  assert code == 0, said
  assert state(workdir) == whole
  assert [line['step'] for line in record.read_metrics(str(workdir), 'train')] == [2, 4, 6]


def test_a_workdir_that_cannot_be_written_is_refused_and_stays(mounted, capsys):
  place = mounted('size=64m')
  assert run(place / 'run', capsys, **{'train.images': 32})[0] == 0
  files = lambda: {p: p.read_bytes() for p in place.rglob('*') if p.is_file()}
  before = files()
  mounted('ro', place)
  code, said = run(place / 'run', capsys)
  assert code == 2
  assert f'--workdir={place}/run: cannot be written: Read-only file system' in said
  code, said = run(place / 'other' / 'run', capsys)
  assert code == 2
  assert 'Read-only file system' in said
  assert files() == before


@pytest.fixture
def no_cache():
  """JAX's cache of programs as it is before anything says where it is."""
  before = jax.config.jax_compilation_cache_dir
  jax.config.update('jax_compilation_cache_dir', None)
  yield
  jax.config.update('jax_compilation_cache_dir', before)


def test_a_home_that_cannot_be_written_costs_time_alone(
  whole, mounted, monkeypatch, capsys, no_cache, tmp_path
):
  monkeypatch.setenv('XDG_CACHE_HOME', str(mounted('ro,size=1m')))
  code, said = run(tmp_path / 'run', capsys)
  assert code == 0
  assert said.count('Read-only file system; not kept for the next time') == 1
  assert state(tmp_path / 'run') == whole


def test_without_a_home_nothing_is_made_where_the_user_is(monkeypatch, tmp_path):
  def unknown(_):
    raise KeyError

  monkeypatch.delenv('HOME')
  monkeypatch.delenv('XDG_CACHE_HOME')
  monkeypatch.setattr(pwd, 'getpwuid', unknown)
  assert os.path.expanduser('~') == '~'
  monkeypatch.setenv('TMPDIR', str(tmp_path / 'tmp'))
  (tmp_path / 'tmp').mkdir()
  monkeypatch.setattr(cache.tempfile, 'tempdir', None)
  monkeypatch.chdir(tmp_path)
  found = cache.directory('xla')
  assert found.is_relative_to(tmp_path / 'tmp')
  assert cache.directory('features').parent == found.parent


def test_a_clock_that_is_set_back_changes_nothing_but_the_times_told(
  whole, tmp_path, monkeypatch, capsys
):
  workdir = tmp_path / 'run'
  assert run(workdir, capsys, **{'train.images': 48})[0] == 0
  now = record.time.time
  monkeypatch.setattr(record.time, 'time', lambda: now() - 400 * 86400)
  # Files of before are of the future now.
  for path in pathlib.Path(workdir).rglob('*'):
    os.utime(path, (now() + 86400, now() + 86400))
  assert run(workdir, capsys)[0] == 0
  assert state(workdir) == whole
  lines = record.read_metrics(str(workdir), 'train')
  assert [line['step'] for line in lines] == [2, 3, 4, 6]
  assert lines[-1]['time'] < lines[0]['time']


def test_the_second_of_two_launches_is_refused_and_the_first_goes_on(whole, tmp_path, capsys):
  from gan_jax.workdir.claim import claim

  with claim(str(tmp_path / 'run'), config(), False):
    code, said = run(tmp_path / 'run', capsys)
  assert code == 2
  assert 'another process is training in it (host ' in said
  assert f'process {os.getpid()}' in said
  assert run(tmp_path / 'run', capsys)[0] == 0
  assert state(tmp_path / 'run') == whole
