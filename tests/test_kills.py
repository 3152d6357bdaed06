"""Runs that are killed, or asked to stop, at random moments, and go on as if they had not been.

GAN_JAX_KILLS=30 makes it thirty kills and twenty signals, which take some ten minutes.
"""

import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from gan_jax.errors import UserError
from gan_jax.workdir import files, lease, record
from gan_jax.workdir.checkpoint import DIGESTS, Checkpointer
from tests.several_hosts import SMALL

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parent.parent
KILLS = int(os.environ.get('GAN_JAX_KILLS', '2'))
SIGNALS = max(1, KILLS * 2 // 3)

CONFIG = {
  'train.images': 320,
  'train.log_images': 16,
  'train.sample_images': 64,
  'train.checkpoint_images': 16,
  'evaluate.images': 80,
  'evaluate.features': 'classifier,pixels',
}
TIMED = ('time', 'images_per_second')


def start(workdir, cache):
  """Begins the run, or goes on with it, by the command line."""
  # Each cache begins without a classifier: a small one.
  program = f'import sys, launch; {SMALL}; sys.exit(launch.main(sys.argv))'
  command = [sys.executable, '-c', program, 'train', '--config=configs/smoke.py']
  command += [f'--workdir={workdir}', *(f'--config.{k}={v}' for k, v in CONFIG.items())]
  environment = {**os.environ, 'JAX_NUM_CPU_DEVICES': '1', 'XDG_CACHE_HOME': str(cache)}
  environment.pop('JAX_COMPILATION_CACHE_DIR', None)  # what is killed as it writes has its own
  return subprocess.Popen(
    command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
  )


def outcome(workdir):
  """All that a run leaves which does not tell of time: state, record, samples."""
  checkpoints = Checkpointer(str(workdir), read_only=True)
  checkpoints.read()  # as it was saved, by its digests
  last = checkpoints.latest()
  lines = [
    {k: v for k, v in line.items() if k not in TIMED and not k.startswith('seconds')}
    for line in record.read_metrics(str(workdir))
  ]
  samples = {path.name: path.read_bytes() for path in (workdir / 'samples').glob('*.png')}
  kept = json.loads((workdir / 'config.json').read_text())
  return last, checkpoints.about(last)[DIGESTS], lines, samples, kept


@pytest.fixture(scope='module')
def undisturbed(tmp_path_factory, data_dir, digits):
  """How the run ends that nothing happens to, the seconds that it takes, and what it keeps."""
  folder = tmp_path_factory.mktemp('undisturbed')
  began = time.monotonic()
  process = start(folder / 'run', folder / 'cache')
  said = whole(process)
  assert process.returncode == 0, said
  return outcome(folder / 'run'), time.monotonic() - began, folder / 'cache'


def whole(process):
  """What a process said that comes to its end."""
  return process.communicate(timeout=500)[1]


def struck(process, seconds, number):
  """What a process said, and whether a signal after so many seconds found it at work."""
  try:
    return process.communicate(timeout=seconds)[1], False
  except subprocess.TimeoutExpired:
    asked = time.monotonic()
    process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    print(f'{time.monotonic() - asked:.1f} s: {(said.strip().splitlines() or [""])[-1]}')
    return said, True


def test_a_run_that_was_killed_anywhere_ends_as_one_that_was_not(undisturbed, tmp_path):
  expected, seconds, _ = undisturbed
  rng = random.Random(KILLS)
  kills = number = 0
  while kills < KILLS:
    # Most starts find compiled programs, as those of a user do; some compile.
    workdir, cache = tmp_path / f'run{number}', tmp_path / f'cache{kills // 10}'
    number += 1
    code = None
    while code != 0:
      anew, began = not workdir.exists(), time.monotonic()
      process = start(workdir, cache)
      said, killed = (
        struck(process, rng.uniform(0.0, seconds), signal.SIGKILL)
        if kills < KILLS
        else (whole(process), False)
      )
      kills += killed
      if not killed:
        code = process.returncode
        assert code == 0, said
        if anew:  # with compiled programs it takes less: the next one is found at work
          seconds = min(seconds, time.monotonic() - began)
    found = outcome(workdir)
    for part, (mine, others) in enumerate(zip(found, expected, strict=True)):
      assert mine == others, (number, part)


def test_a_run_that_is_asked_to_stop_anywhere_says_so_and_loses_nothing(undisturbed, tmp_path):
  expected, seconds, kept = undisturbed
  shutil.copytree(kept, tmp_path / 'cache0')  # the others begin with nothing
  rng = random.Random(SIGNALS)
  signals = number = 0
  while signals < SIGNALS:
    workdir, cache = tmp_path / f'run{number}', tmp_path / f'cache{signals // 10}'
    number += 1
    code = 75
    while code == 75:
      process = start(workdir, cache)
      if signals < SIGNALS:
        deadline = time.monotonic() + 120
        while not claims(workdir, process.pid) and time.monotonic() < deadline:
          time.sleep(0.01)  # an interpreter that still imports has no say in what ends it
        said, told = struck(process, rng.uniform(0.0, seconds / 3), signal.SIGTERM)
      else:
        said, told = whole(process), False
      signals += told
      assert not told or 'Traceback' not in said
      # Where it has come to its end nothing is left to be saved, and nobody heeds a signal.
      ended = record.read_metrics(str(workdir), 'end')
      code = 0 if ended else process.returncode
      assert process.returncode in ((0, 75, -signal.SIGTERM) if ended else (75,)), said
    assert outcome(workdir) == expected


def claims(workdir, pid):
  """Whether a process holds the workdir."""
  number = lease.newest(str(workdir), '.lock') if workdir.exists() else 0
  if not number:
    return False
  with contextlib.suppress(FileNotFoundError, UserError):
    return files.read_json(lease.path_of(str(workdir), '.lock', number)).get('pid') == pid
  return False
