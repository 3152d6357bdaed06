"""Schedules over images shown, optimisers, and the generator's moving average."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from gan_jax.runtime.tree import PyTree

Schedule = Callable[[jax.Array], jax.Array]
"""Maps the images shown so far (scalar) to a value."""


def cosine(start: float, final: float | None, images: int) -> Schedule:
  """Goes from `start` to `final` along half a cosine over `images` images, then stays there.

  v(t) = v₁ + (v₀ − v₁) · ½ (1 + cos πt/T), as R3GAN anneals (arXiv:2501.05441, appendix).
  Constant at `start` where `final` is None or `images` is 0.
  """
  if final is None or images == 0:
    return lambda shown: jnp.full((), start, jnp.float32)

  def value(shown: jax.Array) -> jax.Array:
    progress = jnp.clip(shown / images, 0.0, 1.0)
    return final + (start - final) * 0.5 * (1 + jnp.cos(jnp.pi * progress))

  return value


def adam(
  learning_rate: Schedule, beta1: float, beta2: Schedule, epsilon: float, batch_size: int
) -> optax.GradientTransformation:
  """Adam (arXiv:1412.6980) whose learning rate and β₂ follow schedules over images shown.

  All weights are updated as one vector: a few operations to compile and to launch, however many
  layers there are.
  """
  by_update = lambda schedule: lambda count: schedule(count * float(batch_size))
  tx = optax.inject_hyperparams(optax.adam)(
    learning_rate=by_update(learning_rate), b1=beta1, b2=by_update(beta2), eps=epsilon
  )
  return optax.flatten(tx)


def ema_decay(half_life: jax.Array, ramp: float, shown: jax.Array, batch_size: int) -> jax.Array:
  """Decay of one update of a moving average with a half-life in images.

  β = ½^(batch / min(half_life, ramp · shown)), StyleGAN2-ADA (arXiv:2006.06676) in its code.

  Args:
    half_life: images after which an old value counts half; 0 keeps no memory.
    ramp: the half-life is at most this share of the images shown; 0: no such limit.
    shown: images shown before this update.
    batch_size: images of this update.
  """
  if ramp:
    half_life = jnp.minimum(half_life, ramp * shown)
  return 0.5 ** (batch_size / jnp.maximum(half_life, 1e-8))


def moving_average(average: PyTree, new: PyTree, decay: jax.Array) -> PyTree:
  """Returns `new + decay · (average − new)` leaf by leaf; decay 0 gives exactly `new`."""
  return jax.tree.map(lambda a, n: n + decay * (a - n), average, new)
