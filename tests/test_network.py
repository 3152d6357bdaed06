"""Two hosts on a network of their own, whose link is cut in the middle of a run."""

import os
import pathlib
import shutil
import socket
import subprocess
import time

import pytest

from gan_jax.workdir import record
from tests.several_hosts import SOON, assert_same, begin, finish, state, succeed

pytestmark = pytest.mark.slow

ADDRESSES = '10.213.0.1', '10.213.0.2'


def ip(*arguments):
  subprocess.run(['ip', *arguments], check=True, capture_output=True, text=True)


@pytest.fixture(scope='module')
def hosts():
  """Two network namespaces joined by a pair of virtual devices: `[(name, device), …]`.

  In each the machine's name has the host's own address, as on a cluster.
  """
  found = [(f'ganjax{os.getpid()}{k}', f'gj{os.getpid() % 10**6}v{k}') for k in range(2)]
  files = [pathlib.Path('/etc/netns') / name for name, _ in found]
  try:
    if shutil.which('ip') is None:
      pytest.skip('there is no `ip` here (Debian: iproute2)')
    try:
      for name, _ in found:
        ip('netns', 'add', name)
    except subprocess.CalledProcessError as error:
      pytest.skip(f'network namespaces are not allowed here: {error.stderr.strip()}')
    (first, one), (second, other) = found
    ip('link', 'add', one, 'netns', first, 'type', 'veth', 'peer', 'name', other, 'netns', second)
    for (name, device), address, folder in zip(found, ADDRESSES, files, strict=True):
      ip('-n', name, 'addr', 'add', f'{address}/24', 'dev', device)
      for each in (device, 'lo'):
        ip('-n', name, 'link', 'set', each, 'up')
      folder.mkdir(parents=True)
      (folder / 'hosts').write_text(f'127.0.0.1 localhost\n{address} {socket.gethostname()}\n')
    yield found
  finally:
    for name, _ in found:
      subprocess.run(['ip', 'netns', 'delete', name], check=False, capture_output=True)
    for folder in files:
      shutil.rmtree(folder, ignore_errors=True)


def pair(hosts, workdir, first=''):
  """Begins the smoke training on both; only the first sees the workdir."""
  told = {'JAX_COORDINATOR_ADDRESS': f'{ADDRESSES[0]}:7411', 'JAX_NUM_PROCESSES': '2'}
  return [
    begin(
      'train',
      '--config=configs/smoke.py',
      f'--workdir={workdir if k == 0 else workdir.parent / "nothing"}',
      '--config.train.log_images=16',
      within=('ip', 'netns', 'exec', name),
      first=first,
      JAX_PROCESS_ID=str(k),
      **told,
    )
    for k, (name, _) in enumerate(hosts)
  ]


def test_when_the_link_is_cut_both_end_and_the_pair_started_again_does_not_differ(hosts, tmp_path):
  whole, cut = tmp_path / 'whole', tmp_path / 'cut'
  succeed(*pair(hosts, whole))
  processes = pair(hosts, cut, first=SOON)
  while not any(line['images'] >= 112 for line in record.read_metrics(str(cut))):
    assert processes[0].poll() is None, finish(processes[0])
    time.sleep(0.05)
  name, device = hosts[1]
  ip('-n', name, 'link', 'set', device, 'down')
  found = [finish(process, 60) for process in processes]
  assert all(code not in (0, 75) for code, _ in found), found
  # In the words of jax.distributed, whose own threads notice it first.
  assert all('heartbeat' in said.lower() for _, said in found), found
  ip('-n', name, 'link', 'set', device, 'up')
  succeed(*pair(hosts, cut))
  assert_same(state(whole), state(cut), 0)
  assert not (tmp_path / 'nothing').exists()
