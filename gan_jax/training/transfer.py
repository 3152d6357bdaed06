"""Weights of one run for another: what fits by name and shape, classes by their names."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from flax import traverse_util

from gan_jax.runtime.tree import PyTree

_TABLE = 'embedding'  # what Flax calls the rows of `nn.Embed`


class Report(NamedTuple):
  """What a transfer did, by paths of leaves.

  Attributes:
    loaded: taken as they were.
    remapped: tables of classes, of which each class took the row of its name.
    skipped: left as they were at first, with the reason.
    unused: of the source, that nothing took.
    share: of the target's values that are the source's.
  """

  loaded: list[str]
  remapped: list[str]
  skipped: dict[str, str]
  unused: list[str]
  share: float


def class_map(target: Sequence[str], source: Sequence[str]) -> np.ndarray:
  """For each class of the target, its place among the source's by name; −1 where it is new."""
  places = {name: place for place, name in enumerate(source)}
  return np.array([places.get(name, -1) for name in target], np.int64)


def transfer(
  target: PyTree, source: PyTree, classes: np.ndarray | None = None, source_classes: int = 0
) -> tuple[PyTree, Report]:
  """Fills nested dicts of arrays with those of other ones.

  Args:
    target: dicts of arrays, as a network has them at first.
    source: dicts of arrays of another network.
    classes: of `class_map`, for tables with a row a class; None takes them as other leaves.
    source_classes: number of the source's classes.

  Returns:
    The target with all that fits: leaves of the same path and shape, and tables of classes, in
    which a new class starts from the mean of the source's rows.
  """
  flat = traverse_util.flatten_dict(target, sep='/')
  given = traverse_util.flatten_dict(source, sep='/')
  loaded, remapped, skipped = [], [], {}
  result, values = {}, 0
  for path, leaf in flat.items():
    other = None if path not in given else np.asarray(given[path])
    if (
      other is not None
      and classes is not None
      and _is_table(path, leaf, other, len(classes), source_classes)
    ):
      rows = np.concatenate([other, other.mean(axis=0, keepdims=True)]).astype(leaf.dtype)
      result[path] = rows[classes]  # −1 is the row of means
      remapped.append(path)
    elif other is not None and other.shape == leaf.shape:
      result[path] = other.astype(leaf.dtype)
      loaded.append(path)
    else:
      result[path] = leaf
      found = 'not there' if other is None else f'shape {list(other.shape)}'
      skipped[path] = f'{found}, wanted {list(leaf.shape)}'
      continue
    values += leaf.size
  total = sum(leaf.size for leaf in flat.values())
  unused = [path for path in given if path not in flat or path in skipped]
  share = values / total if total else 1.0
  return traverse_util.unflatten_dict(result, sep='/'), Report(
    loaded, remapped, skipped, unused, share
  )


def _is_table(path: str, leaf: Any, other: np.ndarray, classes: int, source_classes: int) -> bool:
  """Whether both leaves have a row a class."""
  of_classes = leaf.shape[:1] == (classes,) and other.shape[:1] == (source_classes,)
  return path.split('/')[-1] == _TABLE and of_classes and leaf.shape[1:] == other.shape[1:]


def freeze(
  tx: optax.GradientTransformation, names: Sequence[str]
) -> optax.GradientTransformationExtraArgs:
  """An optimiser that leaves weights as they are whose path begins with one of the names.

  With the discriminator's first layers this is FreezeD (Mo et al. 2020, arXiv:2002.10964).
  """
  tx = optax.with_extra_args_support(tx)

  def update(grads: PyTree, state: Any, params: PyTree = None, **extra: Any) -> tuple[PyTree, Any]:
    updates, state = tx.update(grads, state, params, **extra)
    still = lambda path, x: x * 0 if _named(path, names) else x
    return jax.tree_util.tree_map_with_path(still, updates), state

  return optax.GradientTransformationExtraArgs(tx.init, update)


def paths(params: PyTree) -> list[str]:
  """The paths of all weights, as `freeze` names them."""
  return list(traverse_util.flatten_dict(params, sep='/'))


def _named(path: tuple[Any, ...], names: Sequence[str]) -> bool:
  text = '/'.join(str(part.key) for part in path)
  return text.startswith(tuple(names))
