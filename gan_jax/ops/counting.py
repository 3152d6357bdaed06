"""Counts the multiply-adds of a program by its shapes: nothing is compiled or run."""

import collections
import math
from typing import Any

import jax
from jax.extend import core

# Of our own operations: which argument or result has a place for every use of the whole kernel.
_KERNELS = {
  'conv': (None, 1),
  'conv_input_gradient': (0, 1),
  'conv_of_columns': (None, 1),
  'conv_of_columns_input_gradient': (0, 1),
  'depthwise': (None, 1),
  'depthwise_input_gradient': (0, 1),
  'pointwise': (None, 1),
  'pointwise_input_gradient': (0, 1),
}
_WEIGHT_GRADIENTS = tuple(
  f'{name}_weight_gradient' for name in ('conv', 'conv_of_columns', 'depthwise', 'pointwise')
)


def multiply_adds(
  jaxpr: Any, prefix: str = '', times: int = 1, once: bool = False
) -> collections.Counter[str]:
  """Multiply-adds of matrix products and convolutions in a program, by module.

  Args:
    jaxpr: as `jax.make_jaxpr` gives it.
    prefix: name stack that it is called under.
    times: how often it runs.
    once: count a round of every loop, as XLA's own analysis does.

  Returns:
    From name stacks, such as `Generator/block0/conv1`, to how many there are. Of the branches of
    a condition the costliest counts; of a loop without a known length, one round.
  """
  jaxpr = getattr(jaxpr, 'jaxpr', jaxpr)
  found: collections.Counter[str] = collections.Counter()
  for eqn in jaxpr.eqns:
    own = str(eqn.source_info.name_stack)
    place = '/'.join(part for part in (prefix, own) if part)
    count = _of_equation(eqn)
    if count:
      found[place] += times * count
      continue
    looped = eqn.primitive.name == 'scan' and not once
    rounds = eqn.params.get('length', 1) if looped else 1
    inner = [multiply_adds(each, place, times * rounds, once) for each in _within(eqn)]
    if eqn.primitive.name == 'cond' and inner:
      inner = [max(inner, key=lambda counts: sum(counts.values()))]
    for counts in inner:
      found.update(counts)
  return found


def _within(eqn: Any) -> list[Any]:
  """The programs that an equation calls."""
  leaves = jax.tree.leaves(
    list(eqn.params.values()), is_leaf=lambda x: isinstance(x, core.Jaxpr | core.ClosedJaxpr)
  )
  return [leaf for leaf in leaves if isinstance(leaf, core.Jaxpr | core.ClosedJaxpr)]


def _of_equation(eqn: Any) -> int:
  name, shapes = eqn.primitive.name, [x.aval.shape for x in eqn.invars if hasattr(x, 'aval')]
  result = eqn.outvars[0].aval.shape if eqn.outvars else ()
  if name == 'dot_general':
    (summed, _), _ = eqn.params['dimension_numbers']
    return math.prod(result) * math.prod(shapes[0][axis] for axis in summed)
  if name == 'conv_general_dilated':
    features = eqn.params['dimension_numbers'].rhs_spec[0]
    return math.prod(result) * math.prod(shapes[1]) // max(1, shapes[1][features])
  merged = eqn.params['static'][1] if name.startswith('conv_of_columns') else 1
  if name in _KERNELS:
    places, kernel = _KERNELS[name]
    at = result if places is None else shapes[places]
    return merged * math.prod(at[:-1]) * math.prod(shapes[kernel])
  if name in _WEIGHT_GRADIENTS:
    return merged * math.prod(shapes[1][:-1]) * math.prod(result)
  return 0
