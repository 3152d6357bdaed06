"""Runs commands as the processes of several hosts, for tests."""

import os
import pathlib
import socket
import subprocess
import sys
import time

import jax
import numpy as np

from gan_jax.workdir import record
from gan_jax.workdir.checkpoint import Checkpointer

ROOT = pathlib.Path(__file__).parent.parent


# What is done first by a process, which is then the same in less time: to take a host that says
# nothing for gone; to train the classifier.
SOON = 'from gan_jax.runtime import hosts; hosts._SILENT_SECONDS = 10'
SMALL = (
  'from gan_jax.features import classifier; '
  'classifier.RECIPE = classifier.RECIPE._replace(images=2_000, passes=0)'
)


def begin(*arguments, devices=2, within=(), first='', **variables):
  """Begins a command, within another such as `ip netns exec NAME`; see `finish`."""
  environment = {**os.environ, 'JAX_NUM_CPU_DEVICES': str(devices), **variables}
  changed = f'import sys, launch; {first}; sys.exit(launch.main(sys.argv))'
  launch = ['-c', changed] if first else ['launch.py']
  return subprocess.Popen(
    [*within, sys.executable, *launch, *arguments],
    cwd=ROOT,
    env=environment,
    text=True,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
  )


def start(workdir, *more, processes=2, devices=2, **variables):
  """Begins a training of the smoke config."""
  training = ['train', '--config=configs/smoke.py', f'--workdir={workdir}']
  return begin(*training, f'--processes={processes}', *more, devices=devices, **variables)


def finish(process, seconds=240):
  """The exit code and what was said on the error stream."""
  _, said = process.communicate(timeout=seconds)
  return process.returncode, said


def succeed(*processes):
  """What was said on the error stream by processes that all end well."""
  found = [finish(process) for process in processes]
  assert [code for code, _ in found] == [0] * len(found), found
  return found[0][1]


def train(workdir, *more, **how):
  return succeed(start(workdir, *more, **how))


def state(workdir, step=None):
  return Checkpointer(str(workdir), read_only=True).read(step)


def assert_same(one, other, tolerance):
  assert one[0] == other[0]
  compare = lambda a, b: np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
  jax.tree.map(compare, one[1], other[1])


def children(process):
  """The processes that `--processes` made, first host first."""
  found = pathlib.Path(f'/proc/{process.pid}/task/{process.pid}/children').read_text().split()
  return sorted(map(int, found))


def wait_for(process, workdir, images, since=0.0):
  """Waits until the record has a line of so many images, written after a moment."""
  for _ in range(1200):
    lines = record.read_metrics(str(workdir))
    if any(line['images'] >= images and line['time'] > since for line in lines):
      return
    assert process.poll() is None, process.communicate()[1]
    time.sleep(0.1)
  raise AssertionError(f'{workdir}: no line of {images} images')


def each_host(arguments, variables=lambda k: {}, first=''):
  """Begins a command on each of two hosts, of which both know by variables alone."""
  with socket.socket() as free:
    free.bind(('localhost', 0))
    port = free.getsockname()[1]
  told = {'JAX_COORDINATOR_ADDRESS': f'localhost:{port}', 'JAX_NUM_PROCESSES': '2'}
  return [
    begin(*arguments(k), first=first, JAX_PROCESS_ID=str(k), **told, **variables(k))
    for k in range(2)
  ]
