"""The labels that fakes are made of."""

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.errors import UserError, nearest

RULES = ('reals', 'data', 'uniform', 'weights')


def probabilities(
  rule: str, weights: tuple[float, ...], class_counts: np.ndarray
) -> tuple[float, ...] | None:
  """The probability of each class, or None where fakes have the labels of the reals.

  Args:
    rule: of `RULES`: the labels of the batch's reals; as frequent as in the data; all alike; by
      weights.
    weights: of the classes, for that rule.
    class_counts: images of each class, `[K]`.

  Raises:
    UserError: for an unknown rule, or weights that fit it not.
  """
  if rule not in RULES:
    raise UserError(f'config.labels.fakes={rule!r}: {nearest(rule, RULES)}')
  if rule != 'weights' and weights:
    raise UserError(
      f"config.labels.weights={weights}: has no part in labels.fakes={rule!r}; accepted: ''"
    )
  if rule == 'reals':
    return None
  shares = np.ones(len(class_counts)) if rule == 'uniform' else np.asarray(class_counts, float)
  if rule == 'weights':
    shares = np.asarray(weights, float)
    if len(shares) != len(class_counts) or (shares < 0).any() or not shares.sum() > 0:
      raise UserError(
        f'config.labels.weights={weights}: accepted: {len(class_counts)} numbers, one a class, '
        'none below 0 and not all 0'
      )
  return tuple((shares / shares.sum()).tolist())


def draw(keys: jax.Array, probabilities: jax.Array) -> jax.Array:
  """Draws a class for each key `[B]`, int32 `[B]`, by the probabilities `[K]`."""
  ends = jnp.cumsum(probabilities)
  u = jax.vmap(jax.random.uniform)(keys)
  # Never past the last class that can be drawn, whatever rounding does to the sum.
  last = jnp.max(jnp.where(probabilities > 0, jnp.arange(len(probabilities)), 0))
  return jnp.minimum(jnp.searchsorted(ends, u, side='right'), last).astype(jnp.int32)
