"""Features of real images, kept in the user's cache: the same for every run on the same data."""

import contextlib
import hashlib
import json
import os
import pathlib
from collections.abc import Callable

import jax
import numpy as np

from gan_jax.features.network import FeatureNetwork
from gan_jax.runtime import cache, hosts

# The file unused for the longest goes first. One of 50,000 images is up to 600 MB.
_KEPT = 16
_KEPT_BYTES = 4 << 30
_SUFFIX = '.features.npz'

Arrays = tuple[np.ndarray, np.ndarray | None]


def real_features(
  network: FeatureNetwork, fingerprint: str, rows: np.ndarray, compute: Callable[[], Arrays]
) -> Arrays:
  """Pooled features `[N, F]` and logits (or None) of rows of a dataset, computed once.

  Args:
    network: what they are features of; its weights are part of the key, as is the code.
    fingerprint: of the dataset, which stands for its images.
    rows: of the dataset, `[N]`, in order.
    compute: gives what is not kept yet.
  """
  path = _path(network, fingerprint, rows)
  arrays = cache.load_arrays(path)
  # Several hosts, which may have homes of their own, compute together or not at all.
  if not any(hosts.each(arrays is None)):
    assert arrays is not None
    with contextlib.suppress(OSError):  # removed by another process, or not ours to touch
      os.utime(path)
    return arrays['pooled'], arrays.get('logits')
  pooled, logits = compute()
  cache.save_arrays(path, {'pooled': pooled} | ({} if logits is None else {'logits': logits}))
  cache.keep_newest(path.parent, _SUFFIX, _KEPT, _KEPT_BYTES)
  return pooled, logits


def code() -> str:
  """A hash of the code that makes features of images, and of JAX's version.

  Where it was edited since this process began, some of what runs is old and some new: a hash of
  both, which no other process has.
  """
  now = _hash()
  return now if now == _AT_START else f'{_AT_START} {now}'


def _hash() -> str:
  root = pathlib.Path(__file__).parents[1]
  digest = hashlib.sha256(jax.__version__.encode())
  for file in sorted(
    [
      *(p for room in ('features', 'ops', 'pretrained') for p in root.glob(f'{room}/*.py')),
      root / 'models/layers.py',
    ]
  ):
    digest.update(f'{file.relative_to(root)}\n'.encode() + file.read_bytes())
  return digest.hexdigest()


_AT_START = _hash()


def _path(network: FeatureNetwork, fingerprint: str, rows: np.ndarray) -> pathlib.Path:
  device = jax.devices()[0].device_kind
  about = [network.name, network.resize, network.description, fingerprint, device, code()]
  digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
  for array in [np.asarray(rows, np.int64), *map(np.asarray, jax.tree.leaves(network.params))]:
    digest.update(np.ascontiguousarray(array).data)
  return cache.directory('features') / f'{digest.hexdigest()[:32]}{_SUFFIX}'
