"""Volumes that lie in two files, .hdr and .img: made a file each, as NIfTI in a single file is."""

import contextlib
import gzip
import io
from collections.abc import Callable, Sequence
from typing import Any

import nibabel as nib
import numpy as np

from gan_jax.data.ingest.picture import RefusedError, first_line

MAX_BYTES = 2**32  # of the voxels, decompressed
_ENDS = ('', '.gz')


def joined(files: Sequence[Any]) -> list[Any]:
  """Replaces both files of each pair by one of the name of its voxels.

  Args:
    files: of a source, as `files.File`.
  """
  by_name = {file.name.lower(): file for file in files}
  header_of = {}
  for name, file in by_name.items():
    for end in _ENDS:
      stem = name.removesuffix(f'.img{end}')
      found = [by_name[f'{stem}.hdr{e}'] for e in _ENDS if f'{stem}.hdr{e}' in by_name]
      if stem != name and found:
        header_of[file.name] = found[0]
  headers = {header.name for header in header_of.values()}
  return [
    _of_both(header_of[file.name], file) if file.name in header_of else file
    for file in files
    if file.name not in headers
  ]


def _of_both(header: Any, voxels: Any) -> Any:
  read: Callable[[], bytes] = lambda: single(header.read(), voxels.read())
  stamp, size = f'{header.stamp} {voxels.stamp}', header.size + voxels.size
  return voxels._replace(read=read, stamp=stamp, size=size)


def single(header: bytes, voxels: bytes) -> bytes:
  """One NIfTI file of a pair of NIfTI-1, NIfTI-2, or (as SPM writes it) Analyze.

  Raises:
    RefusedError: for what is no such pair.
  """
  head, values = _inflated(header), _inflated(voxels)
  with _refusals():
    if head[344:347] == b'ni1':
      found = nib.Nifti1Pair.header_class.from_fileobj(io.BytesIO(head))
      start, found['magic'], found['vox_offset'] = int(found['vox_offset']), b'n+1', 352
    elif head[4:7] == b'ni2':
      found = nib.Nifti2Pair.header_class.from_fileobj(io.BytesIO(head))
      start, found['magic'], found['vox_offset'] = int(found['vox_offset']), head[4:12], 544
      found['magic'] = b'n+2' + head[7:12]
    else:
      old = nib.Spm2AnalyzeImage.header_class.from_fileobj(io.BytesIO(head))
      found = nib.Nifti1Header(endianness=old.endianness)
      found.set_data_dtype(old.get_data_dtype())
      found.set_data_shape(old.get_data_shape())
      found.set_sform(old.get_best_affine(), 1)
      found.set_slope_inter(*old.get_slope_inter())
      start, found['vox_offset'] = int(old['vox_offset']), 352
    return found.binaryblock + bytes(4) + values[max(0, start) :]


@contextlib.contextmanager
def _refusals() -> Any:
  try:
    with np.errstate(all='ignore'):
      yield
  except RefusedError:
    raise
  except Exception as error:  # whatever nibabel stumbles over
    raise RefusedError(f'a pair of .hdr and .img, not readable: {first_line(error)}') from error


def _inflated(data: bytes) -> bytes:
  if data[:2] != b'\x1f\x8b':
    return data
  with _refusals(), gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
    found = file.read(MAX_BYTES + 1)
  if len(found) > MAX_BYTES:
    raise RefusedError(f'more than {MAX_BYTES / 2**30:.0f} GiB')
  return found
