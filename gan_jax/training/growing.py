"""A player that begins as one of lower resolution: its weights, its average, its optimiser."""

from typing import Any, NamedTuple

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from gan_jax.errors import UserError
from gan_jax.models.growing import Begun, Rule
from gan_jax.runtime.tree import PyTree
from gan_jax.training import transfer


class Report(NamedTuple):
  """What growing did, by paths of leaves.

  Attributes:
    loaded: taken as they were; the grown network's paths.
    remapped: tables of classes, of which each class took the row of its name.
    new: leaves of new stages, with how they begin: zeros, drawn, or made of the other's.
    share: of the grown network's values that are the other's.
    moments: leaves whose moments were carried over.
  """

  loaded: list[str]
  remapped: list[str]
  new: dict[str, str]
  share: float
  moments: int = 0


class Source(NamedTuple):
  """A network of lower resolution.

  Attributes:
    player: 'generator' or 'discriminator'.
    variables: dicts of arrays.
    doublings: of the resolution, from it to the grown one.
    classes: see `transfer.transfer`.
    source_classes: likewise.
  """

  player: str
  variables: PyTree
  doublings: int
  classes: np.ndarray | None = None
  source_classes: int = 0


def grow(fresh: PyTree, source: Source, rule: Rule) -> tuple[PyTree, Report, Begun]:
  """Fills a network's variables so that it begins as one of lower resolution.

  Args:
    fresh: variables of the grown network, as drawn.
    source: the other network.
    rule: of the architecture.

  Raises:
    UserError: for a leaf of the other one that has no place here, or another shape.
  """
  flat = traverse_util.flatten_dict(fresh, sep='/')
  old = traverse_util.flatten_dict(source.variables, sep='/')
  begun = rule.begin(source.player, flat, old, source.doublings)
  _check_made(source.player, flat, begun)
  given = {begun.moved[path]: leaf for path, leaf in old.items() if path in begun.moved}
  filled, found = transfer.transfer(
    fresh, traverse_util.unflatten_dict(given, sep='/'), source.classes, source.source_classes
  )
  for path in found.unused:
    here = f'is {list(flat[path].shape)} here' if path in flat else 'is not here'
    there = next(own for own, other in begun.moved.items() if other == path)
    raise UserError(
      f'{source.player}/{there} of shape {list(given[path].shape)} there {here}: growing takes the '
      'stages as they are, with the same keys of the model and the same channels and classes'
    )
  result = traverse_util.flatten_dict(filled, sep='/')
  result |= {path: array.astype(flat[path].dtype) for path, array in begun.made.items()}
  new = {path: _how(path, begun) for path in found.skipped}
  report = Report(found.loaded, found.remapped, new, found.share)
  return traverse_util.unflatten_dict(result, sep='/'), report, begun


def _check_made(player: str, flat: dict[str, Any], begun: Begun) -> None:
  for path, array in begun.made.items():
    if array.shape != flat[path].shape:
      raise UserError(
        f'{player}/{path} is {list(flat[path].shape)} here: growing makes {list(array.shape)} of '
        'what is there, with the same channels'
      )


def _how(path: str, begun: Begun) -> str:
  if path not in begun.made:
    return 'drawn'
  return 'made of ' + ', '.join(begun.folded) if begun.folded else 'zeros'


class Betas(NamedTuple):
  """Adam's decays, of the gradient's average and of its square's."""

  first: float
  second: float


def carry_moments(
  opt_state: Any, params: PyTree, old: dict[str, Any], old_params: PyTree, names: dict[str, str],
  betas: tuple[Betas, Betas],
) -> Any:  # fmt: skip
  """Moments of what was taken; zeros of what is new.

  Adam divides its moments by 1 − βⁿ for the zeros that they began with, and there is one n for all
  weights. With that of the other run, a new weight's first steps would be some (1 − β₁) / √(1 − β₂)
  times as long as they should be: 16 times, at 0.5 and 0.999. So n begins at 1 and the old moments
  count as one update, whose results they are: old weights go on by what was known, and new ones
  take steps of usual length.

  Args:
    opt_state: of the fresh optimiser, `optax.ScaleByAdamState` of one vector.
    params: weights of the grown network, whose order is the vector's.
    old: the other optimiser's state out of a checkpoint: `count`, `mu` and `nu`.
    old_params: weights that it is of.
    names: path of each weight that was taken, in the grown network, to that in the other.
    betas: of the other run at its end, and of this one at its start.
  """
  count = int(old['count'])
  if not count:
    return opt_state
  moments = {}
  for name, place in (('mu', 0), ('nu', 1)):
    _, unravel = jax.flatten_util.ravel_pytree(old_params)
    vector = jnp.asarray(old[name], jnp.float32)
    given = traverse_util.flatten_dict(unravel(vector), sep='/')
    before, now = betas[0][place], betas[1][place]
    factor = (1 - now) / (1 - before**count)
    flat = traverse_util.flatten_dict(params, sep='/')
    put = {
      path: given[names[path]] * factor if path in names else jnp.zeros(leaf.shape)
      for path, leaf in flat.items()
    }
    whole, _ = jax.flatten_util.ravel_pytree(traverse_util.unflatten_dict(put, sep='/'))
    moments[name] = np.asarray(whole).astype(getattr(opt_state, name).dtype)
  return opt_state._replace(count=np.ones_like(opt_state.count), **moments)
