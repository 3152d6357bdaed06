"""Features of real images, kept in the user's cache: the same for every run on the same data."""

import hashlib
import json
import os
import pathlib
from collections.abc import Callable

import jax
import numpy as np

from gan_jax import cache
from gan_jax.features.network import FeatureNetwork

_KEPT = 16  # files; the one unused for the longest goes first
_SUFFIX = '.features.npz'

Arrays = tuple[np.ndarray, np.ndarray | None]


def real_features(
  network: FeatureNetwork, fingerprint: str, rows: np.ndarray, compute: Callable[[], Arrays]
) -> Arrays:
  """Pooled features `[N, F]` and logits (or None) of rows of a dataset, computed once.

  Args:
    network: what they are features of; its weights are part of the key.
    fingerprint: of the dataset, which stands for its images.
    rows: of the dataset, `[N]`, in order.
    compute: gives what is not kept yet.
  """
  path = _path(network, fingerprint, rows)
  arrays = cache.load_arrays(path)
  if arrays is not None:
    os.utime(path)
    return arrays['pooled'], arrays.get('logits')
  pooled, logits = compute()
  cache.save_arrays(path, {'pooled': pooled} | ({} if logits is None else {'logits': logits}))
  cache.keep_newest(path.parent, _SUFFIX, _KEPT)
  return pooled, logits


def _path(network: FeatureNetwork, fingerprint: str, rows: np.ndarray) -> pathlib.Path:
  about = [network.name, network.description, fingerprint, jax.devices()[0].device_kind]
  digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
  for array in [np.asarray(rows, np.int64), *map(np.asarray, jax.tree.leaves(network.params))]:
    digest.update(np.ascontiguousarray(array).data)
  return pathlib.Path(cache.directory('features')) / f'{digest.hexdigest()[:32]}{_SUFFIX}'
