"""Files of every kind with some of their bytes changed: read right, or refused by name, and soon.

A few of them in the suite; GAN_JAX_MUTATIONS=2000 tries that many. The files are tried in a process
of their own, which what is written in C may bring down, and which counts its time and memory.
"""

import faulthandler
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
import traceback
import warnings

import numpy as np

from tests.data.ingest.mutations import archives, images, medicine, prepared, tables, weights
from tests.data.ingest.mutations.changing import (
  ALONE,
  READ,
  REFUSED,
  WrongError,
  mutated,
  with_checksums,
)

ROOT = pathlib.Path(__file__).parents[3]
MUTATIONS = int(os.environ.get('GAN_JAX_MUTATIONS', '57'))
SECONDS, BYTES = 10, 2**31  # for one file


def all_kinds():
  """For each kind of files: name, one that is whole, and what tries another."""
  dataset = prepared.Prepared()
  return {
    **{kind: ('a', make, images.try_image) for kind, make in images.IMAGES.items()},
    'DICOM': ('a.dcm', medicine.some_dicom, medicine.try_dicom),
    'NIfTI': ('a.nii', medicine.some_nifti, medicine.try_nifti),
    'zip': ('a.zip', archives.some_zip, archives.try_archive),
    'tar': ('a.tar', archives.some_tar, archives.try_archive),
    'npz': ('a.npz', archives.some_npz, archives.try_arrays),
    'npy': ('a.npy', archives.some_npy, archives.try_arrays),
    'CSV': ('a.csv', tables.some_csv, tables.try_csv),
    'JSON': ('a.json', tables.some_json, tables.try_json),
    'safetensors': ('a.safetensors', weights.some_safetensors, weights.try_weights),
    'torch': ('a.pth', weights.some_torch, weights.try_weights),
    'ArrayRecord': ('a', lambda rng: dataset.data, dataset.try_records),
  }


def try_one(kind, seed, name, make, attempt):
  """Tries one file; returns how it went: read, refused, or what is wrong."""
  from gan_jax.data.ingest.picture import RefusedError
  from gan_jax.errors import UserError

  rng = np.random.default_rng([seed, *kind.encode()])
  whole = make(rng)
  data = mutated(whole, rng) if seed else whole  # the first is as it was
  data = with_checksums(data, rng) if kind == 'PNG' else data
  begun = time.process_time()
  try:
    how = attempt(data, name)
  except (RefusedError, UserError) as error:
    how = REFUSED
    if '\n' in str(error) or not str(error).strip():
      how = f'refused in other than one line: {str(error)!r}'
    if 'MemoryError' in str(error) or 'Unable to allocate' in str(error):
      how = f'takes too much memory: {error}'
  except WrongError as error:
    how = f'wrong: {error}'
  except BaseException:
    how = f'fails: {traceback.format_exc(limit=-4)}'
  spent = time.process_time() - begun
  return how if spent < SECONDS else f'takes {spent:.1f} s; {how}'


def main(first, count):
  """Tries files of all kinds in turn, and prints a line for each."""
  os.environ['TFDS_DATA_DIR'] = tempfile.mkdtemp()
  warnings.simplefilter('ignore')
  kinds = all_kinds()
  for kind, about in kinds.items():
    print(json.dumps([kind, 0, try_one(kind, 0, *about)]), flush=True)
  pages = pathlib.Path('/proc/self/statm').read_text().split()[0]
  taken = int(pages) * resource.getpagesize()
  resource.setrlimit(resource.RLIMIT_AS, (taken + BYTES, taken + BYTES))
  names = list(kinds)
  for number in range(first, first + count):
    kind, seed = names[number % len(names)], 1 + number // len(names)
    print(json.dumps([kind, seed, '']), flush=True)
    faulthandler.dump_traceback_later(60, exit=True)
    how = try_one(kind, seed, *kinds[kind])
    faulthandler.cancel_dump_traceback_later()
    print(json.dumps([kind, seed, how]), flush=True)


def test_files_of_every_kind_with_bytes_changed_are_read_right_or_refused():
  environment = {
    **os.environ,
    **{'PYTHONPATH': str(ROOT), 'OPENBLAS_NUM_THREADS': '1', 'JAX_PLATFORMS': 'cpu'},
  }
  command = [sys.executable, __file__, '0', str(MUTATIONS)]
  run = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
  lines = [json.loads(line) for line in run.stdout.splitlines() if line.startswith('[')]
  assert run.returncode == 0, (lines[-1:], run.stderr[-2000:])
  how = {(kind, seed): how for kind, seed, how in lines}
  assert all(found == READ for (_, seed), found in how.items() if seed == 0), how
  assert len(how) == MUTATIONS + sum(seed == 0 for _, seed in how)
  wrong = {case: found for case, found in how.items() if found not in (READ, ALONE, REFUSED)}
  assert not wrong, wrong
  assert list(how.values()).count(ALONE) <= len(how) // 20
  assert REFUSED in how.values()


if __name__ == '__main__':
  main(*map(int, sys.argv[1:]))
