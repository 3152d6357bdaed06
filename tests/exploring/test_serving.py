"""The page's server as a process and on a socket."""

import http.client
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.parse

import pytest

from gan_jax.errors import UserError
from gan_jax.exploring.gallery import Entry, Gallery, entries
from gan_jax.exploring.serving import serving

from .conftest import Made, plain

ROOT = pathlib.Path(__file__).parent.parent.parent


@pytest.fixture
def address():
  addresses = []
  with serving(Made([plain()]), 0, addresses.append):
    yield urllib.parse.urlsplit(addresses[0])


def test_it_listens_on_loopback_alone_and_ends(address):
  with socket.create_connection((address.hostname, address.port), 10) as connection:
    assert connection.getpeername()[0] == '127.0.0.1'
  table = pathlib.Path('/proc/net/tcp').read_text().splitlines()[1:]
  local = {line.split()[1] for line in table if line.split()[3] == '0A'}
  assert [each for each in local if int(each.split(':')[1], 16) == address.port] == [
    f'0100007F:{address.port:04X}'
  ]


def test_a_gigabyte_is_refused_while_it_is_still_to_come(address):
  entered = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
  entered.request('GET', f'/?{address.query}')
  cookie = entered.getresponse().headers['set-cookie'].split(';')[0]
  with socket.create_connection((address.hostname, address.port), 30) as connection:
    head = (
      f'POST /api/open/0 HTTP/1.1\r\nHost: {address.netloc}\r\nOrigin: http://{address.netloc}\r\n'
      f'Cookie: {cookie}\r\nContent-Length: {2**30}\r\n\r\n'
    )
    connection.sendall(head.encode() + bytes(1000))
    answer = b''
    while part := connection.recv(4096):  # to the end: the server hangs up
      answer += part
  assert answer.startswith(b'HTTP/1.1 413')


def test_a_port_that_is_taken_or_the_systems_is_refused_before_anything_is_opened(address):
  for port, message in ((address.port, 'in use'), (80, '1024 to 65535'), (70_000, '1024 to 65535')):
    with pytest.raises(UserError, match=message), serving(Gallery([Entry('x')]), port, print):
      pass


def test_all_checkpoints_of_a_run_can_be_shown_the_newest_first(finished):
  workdir, _ = finished
  found = entries([workdir, '/nowhere'])
  assert [each.path for each in found[:-1]] == [workdir] * (len(found) - 1)
  steps = [each.step for each in found[:-1]]
  assert steps == sorted(steps, reverse=True)
  assert found[0].images == 192
  assert found[-1] == Entry('/nowhere')
  with pytest.raises(UserError, match='/nowhere: holds no run'):
    Gallery(found).painter(len(found) - 1)


def test_what_a_training_is_saving_meanwhile_is_left_to_it(finished, tmp_path):
  checkpoints = tmp_path / 'checkpoints'
  shutil.copytree(pathlib.Path(finished[0]) / 'checkpoints', checkpoints)
  saving = checkpoints / '000000099.orbax-checkpoint-tmp'
  saving.mkdir()
  before = sorted(checkpoints.iterdir())
  assert 99 not in [each.step for each in entries([str(tmp_path)])]
  assert sorted(checkpoints.iterdir()) == before


@pytest.mark.slow
@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_a_command_serves_a_run_until_a_signal_ends_it_with_a_line(finished, number):
  process = subprocess.Popen(
    [sys.executable, str(ROOT / 'launch.py'), 'explore', f'--workdir={finished[0]}'],
    cwd=ROOT,
    env={**os.environ, 'JAX_NUM_CPU_DEVICES': '1'},
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )
  lines = [process.stdout.readline() for _ in range(2)]
  (found,) = re.findall(r'^open this address: (\S+)$', lines[1], re.MULTILINE)
  address = urllib.parse.urlsplit(found)
  browser = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
  browser.request('GET', f'/?{address.query}')
  assert b'<h1>Explore</h1>' in browser.getresponse().read()
  assert process.stdout.readline().startswith('for another window: http://127.0.0.1:')
  process.send_signal(number)
  _, said = process.communicate(timeout=60)
  assert process.returncode == 75
  name = signal.Signals(number).name
  assert said.strip().splitlines() == [f'launch.py: {name}: stopped; run the same command again']


def test_nothing_to_explore_is_one_line(tmp_path):
  done = subprocess.run(
    [sys.executable, str(ROOT / 'launch.py'), 'explore', f'--workdir={tmp_path}'],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 2
  assert re.fullmatch(rf'launch.py: --workdir={tmp_path}: holds no run .*\n', done.stderr)
