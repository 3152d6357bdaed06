import contextlib
import io
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tarfile
import time

import numpy as np
import pytest

from gan_jax.data import packages
from gan_jax.errors import UserError

ROOT = pathlib.Path(__file__).parents[2]
HOLDS = 'usr/share/pictures/*/one.txt'


class Tools:
  """Executables in a folder that is the whole PATH, but for the shell's own; they log calls."""

  def __init__(self, folder, monkeypatch):
    self.folder, self.log = folder / 'bin', folder / 'log'
    self.folder.mkdir()
    self.log.touch()
    for name in ('sh', 'mkdir', 'sleep', 'cp', 'touch'):
      (self.folder / name).symlink_to(shutil.which(name))
    monkeypatch.setenv('PATH', str(self.folder))

  def add(self, name, script):
    path = self.folder / name
    path.write_text(f'#!{self.folder}/sh\necho "{name} $*" >> {self.log}\n{script}\n')
    path.chmod(0o755)

  def add_apt(self, download='touch $2_1.deb', unpack='mkdir -p $3/usr/share/pictures/v1'):
    self.add('apt-get', download)
    self.add('dpkg-deb', f'{unpack}\necho content > $3/usr/share/pictures/v1/one.txt')

  def add_npm(self, archive):
    self.add('npm', f'cp {archive} .')

  @property
  def calls(self):
    return self.log.read_text().splitlines()


@pytest.fixture
def tools(tmp_path, monkeypatch):
  return Tools(tmp_path, monkeypatch)


@pytest.fixture
def folder(tmp_path):
  return tmp_path / 'data' / 'packages'


def one_line(raised):
  message = str(raised.value)
  assert len(message.splitlines()) == 1
  return message


def in_sight(folder):
  """What lies in the folder but for locks, which are empty."""
  locks = [path for path in folder.iterdir() if path.suffix == '.lock']
  assert not any(path.stat().st_size for path in locks)
  return sorted(path.name for path in folder.iterdir() if path not in locks)


def npm_archive(path, name='package/emoji.json', text='[]'):
  with tarfile.open(path, 'w:gz') as file:
    entry = tarfile.TarInfo(name)
    entry.size = len(text)
    file.addfile(entry, io.BytesIO(text.encode()))
  return path


def test_a_debian_package_is_fetched_and_unpacked_once(tools, folder):
  tools.add_apt()
  found = packages.debian(['pictures-data'], HOLDS, folder)
  assert found == folder / 'pictures-data/usr/share/pictures/v1/one.txt'
  assert found.read_text() == 'content\n'
  assert packages.debian(['pictures-data'], HOLDS, folder) == found
  assert tools.calls == [
    'apt-get download pictures-data',
    'dpkg-deb -x pictures-data_1.deb unpacked',
  ]
  assert in_sight(folder) == ['pictures-data']


def test_an_npm_package_is_fetched_and_unpacked_once(tools, folder, tmp_path):
  tools.add_npm(npm_archive(tmp_path / 'scope-pictures-2.0.0.tgz'))
  found = packages.npm('@scope/pictures', '2.0.0', 'package', folder)
  assert found == folder / '@scope+pictures-2.0.0' / 'package'
  assert (found / 'emoji.json').read_text() == '[]'
  assert packages.npm('@scope/pictures', '2.0.0', 'package', folder) == found
  assert len(tools.calls) == 1
  assert '@scope/pictures@2.0.0' in tools.calls[0]
  assert in_sight(folder) == ['@scope+pictures-2.0.0']


def test_what_was_unpacked_by_hand_is_taken_without_any_tool(tools, folder):
  for name in ('newer', 'p-1'):
    path = folder / name / 'usr/share/pictures/v2/one.txt'
    path.parent.mkdir(parents=True)
    path.write_text('mine')
  assert packages.debian(['older', 'newer'], HOLDS, folder).read_text() == 'mine'
  assert packages.npm('p', '1', HOLDS, folder).read_text() == 'mine'
  assert not tools.calls


def test_the_package_of_another_release_is_tried_next(tools, folder):
  tools.add_apt(download='[ $2 = data-2 ] && touch $2_1.deb')
  found = packages.debian(['data-1', 'data-2'], HOLDS, folder)
  assert found.is_relative_to(folder / 'data-2')
  assert in_sight(folder) == ['data-2']


def test_without_tools_the_message_says_what_to_run(tools, folder):
  with pytest.raises(UserError) as raised:
    packages.debian(['data-1', 'data-2'], HOLDS, folder)
  message = one_line(raised)
  assert 'Debian package data-1 or data-2, and there is no apt-get here;' in message
  assert f'mkdir -p {folder}/data-1 && dpkg-deb -x data-1_*.deb {folder}/data-1' in message
  with pytest.raises(UserError, match='npm package p@1, and there is no npm here;') as raised:
    packages.npm('p', '1', 'package', folder)
  assert f'mkdir -p {folder}/p-1 && tar -xzf *.tgz -C {folder}/p-1' in one_line(raised)


@pytest.mark.parametrize('failing', ['apt-get', 'dpkg-deb'])
def test_the_last_line_of_a_failing_tool_is_in_the_message_and_nothing_is_left(
  tools, folder, failing
):
  tools.add_apt()
  script = r'mkdir unpacked; echo "W: \377 old lists" >&2; echo "E: all is lost" >&2; exit 100'
  tools.add(failing, script)
  with pytest.raises(UserError, match=f'and {failing} failed: E: all is lost;') as raised:
    packages.debian(['pictures-data'], HOLDS, folder)
  one_line(raised)
  assert in_sight(folder) == []


def test_a_tool_that_fails_in_silence_is_named_with_its_status(tools, folder):
  tools.add_apt(download='exit 7')
  with pytest.raises(UserError, match='apt-get failed: 7;'):
    packages.debian(['pictures-data'], HOLDS, folder)


def test_npm_is_quoted_by_its_first_line_which_has_the_code(tools, folder):
  tools.add('npm', 'echo "npm error code ENOTFOUND" >&2; echo "npm error see log" >&2; exit 1')
  with pytest.raises(UserError, match='npm failed: npm error code ENOTFOUND;') as raised:
    packages.npm('p', '1', 'package', folder)
  one_line(raised)
  assert in_sight(folder) == []


def test_a_download_that_brings_no_archive_is_said_so(tools, folder):
  tools.add_apt(download='exit 0')
  tools.add('npm', 'exit 0')
  with pytest.raises(UserError, match=r'no \.deb file came of it;'):
    packages.debian(['pictures-data'], HOLDS, folder)
  with pytest.raises(UserError, match=r'no \.tgz file came of it;'):
    packages.npm('p', '1', 'package', folder)
  assert in_sight(folder) == []


@pytest.mark.parametrize('kept', [0, 3, 40, 90])
def test_an_archive_that_is_cut_short_is_refused_and_nothing_is_left(tools, folder, tmp_path, kept):
  archive = npm_archive(tmp_path / 'p.tgz', text=np.random.default_rng(0).bytes(64).hex())
  archive.write_bytes(archive.read_bytes()[:kept])
  tools.add_npm(archive)
  with pytest.raises(UserError, match='and fetching it failed: ') as raised:
    packages.npm('p', '1', 'package', folder)
  one_line(raised)
  assert in_sight(folder) == []


def test_an_archive_that_reaches_out_of_its_folder_is_refused(tools, folder, tmp_path):
  tools.add_npm(npm_archive(tmp_path / 'p.tgz', name='../../evil'))
  with pytest.raises(UserError, match='outside the destination'):
    packages.npm('p', '1', 'package', folder)
  assert in_sight(folder) == []
  assert not list(tmp_path.rglob('evil'))


def test_a_package_without_what_is_looked_for_is_said_so_and_not_fetched_again(tools, folder):
  tools.add_apt()
  for _ in range(2):
    with pytest.raises(UserError, match='data does not hold usr/lib/other;') as raised:
      packages.debian(['data'], 'usr/lib/other', folder)
    one_line(raised)
  assert len(tools.calls) == 2  # of apt-get and dpkg-deb


def test_each_release_says_why_it_is_not_there(tools, folder):
  tools.add_apt(download='[ $2 = data-2 ] && touch $2_1.deb || { echo "E: no $2" >&2; exit 1; }')
  with pytest.raises(UserError) as raised:
    packages.debian(['data-1', 'data-2'], 'usr/lib/other', folder)
  message = one_line(raised)
  assert 'apt-get failed: E: no data-1; ' in message
  assert 'data-2 does not hold usr/lib/other; ' in message


def test_a_folder_that_cannot_be_written_is_said_so(tools, tmp_path):
  tools.add_apt()
  (tmp_path / 'data').write_text('a file in the way')
  with pytest.raises(UserError, match=r'fetching it failed: \[Errno \d+\]'):
    packages.debian(['data'], HOLDS, tmp_path / 'data' / 'packages')


def another_process(folder):
  """Starts one that wants the package `data` and prints what is in it."""
  code = 'import sys; from gan_jax.data import packages as p; '
  code += 'print(p.debian(["data"], sys.argv[1], sys.argv[2]).read_text().strip())'
  command = [sys.executable, '-c', code, HOLDS, str(folder)]
  return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def open_files(process):
  links = pathlib.Path(f'/proc/{process.pid}/fd').iterdir()
  names = set()
  for link in links:
    with contextlib.suppress(FileNotFoundError):  # closed since it was listed
      names.add(os.path.basename(os.readlink(link)))
  return names


def wait_for(condition):
  for _ in range(3000):
    if condition():
      return
    time.sleep(0.01)
  raise AssertionError('it never came')


def test_two_processes_that_want_a_package_at_once_fetch_it_once_and_both_have_it(tools, folder):
  gate = tools.folder / 'gate'
  tools.add_apt(download=f'until [ -e {gate} ]; do sleep 0.01; done; touch $2_1.deb')
  processes = [another_process(folder) for _ in range(2)]
  wait_for(lambda: all('.data.lock' in open_files(process) for process in processes))
  gate.touch()
  assert [process.communicate(timeout=60)[0] for process in processes] == ['content\n'] * 2
  assert len(tools.calls) == 2  # of apt-get and dpkg-deb
  assert in_sight(folder) == ['data']


def test_after_a_kill_the_package_is_fetched_anew_and_nothing_half_unpacked_is_left(tools, folder):
  tools.add_apt(unpack='mkdir -p $3/usr/share/pictures/v1 $3/half; exec sleep 60')
  with another_process(folder) as process:
    wait_for(lambda: list(folder.glob('.*/unpacked/half')))
    children = pathlib.Path(f'/proc/{process.pid}/task/{process.pid}/children').read_text()
    process.kill()
    for child in children.split():  # the unpacking, which the kill leaves alone
      os.kill(int(child), signal.SIGKILL)
  assert not (folder / 'data').exists()
  tools.add_apt()
  assert packages.debian(['data'], HOLDS, folder).read_text() == 'content\n'
  assert in_sight(folder) == ['data']
  assert not (folder / 'data' / 'half').exists()


@pytest.mark.slow
def test_apt_get_itself_fetches_a_real_package(tmp_path):
  if not (shutil.which('apt-get') and shutil.which('dpkg-deb')):
    pytest.skip('there is no apt-get here')
  try:
    found = packages.debian(['mricron-data'], 'usr/share/mricron/templates/ch2.nii.gz', tmp_path)
  except UserError as error:
    if 'apt-get failed' not in str(error):
      raise
    pytest.skip(f'apt-get reaches no package source: {error}')
  if not found.is_relative_to(tmp_path):
    pytest.skip('mricron-data is installed here: nothing is fetched')
  assert in_sight(tmp_path) == ['mricron-data']
  assert found.read_bytes()[:2] == b'\x1f\x8b'  # gzip
