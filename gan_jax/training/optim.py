"""Schedules over images shown, optimisers, and the generator's moving average."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from gan_jax.runtime.tree import PyTree
from gan_jax.training import precision, vectors

Schedule = Callable[[jax.Array], jax.Array]
"""Maps the images shown so far (scalar) to a value."""


def cosine(start: float, final: float | None, images: float, warmup: float = 0) -> Schedule:
  """Goes from `start` to `final` along half a cosine over `images` images, then stays there.

  v(t) = v₁ + (v₀ − v₁) · ½ (1 + cos πt/T), as R3GAN anneals (arXiv:2501.05441, appendix).
  Constant at `start` where `final` is None or `images` is 0.

  Args:
    start: the first value.
    final: the last one, or None.
    images: over which it is reached.
    warmup: images over which the value rises in a straight line from 0 to that of the schedule.
  """

  def value(shown: jax.Array) -> jax.Array:
    if final is None or images == 0:
      return jnp.full((), start, jnp.float32)
    progress = jnp.clip(shown / images, 0.0, 1.0)
    return final + (start - final) * 0.5 * (1 + jnp.cos(jnp.pi * progress))

  if not warmup:
    return value
  return lambda shown: value(shown) * jnp.minimum(shown / warmup, 1.0)


class Adam(NamedTuple):
  """Settings of `adam`.

  Attributes:
    learning_rate: over images shown.
    beta1: decay of the gradient's average.
    beta2: decay of its square's average, over images shown.
    epsilon: added to the root of that.
    weight_decay: share of the weights that an update takes off, times the learning rate (AdamW,
      arXiv:1711.05101).
    clip_norm: a longer gradient, by its norm over all weights, is scaled to this; None: never.
    share: of the updates of a player that are its loss's own, k / (k + 1) with a lazy regulariser
      every k steps, which moves the weights as often again: the learning rate times it, each β to
      its power (StyleGAN2, arXiv:1912.04958, appendix B).
    moments: precision of both averages between updates, see `precision`.
  """

  learning_rate: Schedule
  beta1: float
  beta2: Schedule
  epsilon: float = 1e-8
  weight_decay: float = 0.0
  clip_norm: float | None = None
  share: float = 1.0
  moments: str = 'float32'


def adam(settings: Adam) -> optax.GradientTransformationExtraArgs:
  """Adam (arXiv:1412.6980) whose learning rate and β₂ follow schedules over images shown.

  All weights are updated as one vector: a few operations to compile and to launch, however many
  layers there are. Its update takes `shown`, the images shown so far.
  """
  zero = jnp.zeros(())
  b1 = settings.beta1**settings.share
  moments = lambda b2: optax.scale_by_adam(b1=b1, b2=b2, eps=settings.epsilon)

  def kept(state: Any) -> Any:
    """Moments as they lie between updates; the same draws on all devices, by the count."""
    keys = jax.random.split(jax.random.fold_in(jax.random.key(0), state.count))
    first, second = (
      precision.rounded(x, key, settings.moments)
      for x, key in zip((state.mu, state.nu), keys, strict=True)
    )
    return state._replace(mu=first, nu=second)

  def update(
    grads: PyTree, state: Any, params: PyTree = None, *, shown: jax.Array = zero, **_: Any
  ) -> tuple[PyTree, Any]:
    rate = settings.share * settings.learning_rate(shown)
    of_now = moments(settings.beta2(shown) ** settings.share)

    def of_vector(grads: PyTree, state: Any, params: PyTree) -> tuple[PyTree, Any]:
      if settings.clip_norm is not None:
        grads = _stateless(optax.clip_by_global_norm(settings.clip_norm), grads, params)
      updates, state = of_now.update(grads, precision.float32(state), params)
      if settings.moments != 'float32':
        state = kept(state)
      if settings.weight_decay:
        updates = _stateless(optax.add_decayed_weights(settings.weight_decay), updates, params)
      return _stateless(optax.scale_by_learning_rate(rate), updates, params), state

    flat = vectors.flattened(optax.GradientTransformation(of_now.init, of_vector))
    return flat.update(grads, state, params)

  # Its state is the moments alone: a run may go on with other values of all the rest.
  first = optax.flatten(moments(0.0)).init
  init = first if settings.moments == 'float32' else lambda params: kept(first(params))
  return optax.GradientTransformationExtraArgs(init, update)


def betas(settings: Adam, shown: float) -> tuple[jax.Array, jax.Array]:
  """β₁ and β₂ of an update after so many images, as Adam uses them."""
  first = jnp.asarray(settings.beta1) ** settings.share
  return first, settings.beta2(jnp.asarray(shown, jnp.float32)) ** settings.share


def _stateless(tx: optax.GradientTransformation, updates: PyTree, params: PyTree) -> PyTree:
  return tx.update(updates, tx.init(params), params)[0]


def ema_decay(half_life: jax.Array, ramp: float, shown: jax.Array, images: int) -> jax.Array:
  """Decay of one update of a moving average with a half-life in images.

  β = ½^(images / min(half_life, ramp · shown)), StyleGAN2-ADA (arXiv:2006.06676) in its code.

  Args:
    half_life: images after which an old value counts half; 0 keeps no memory.
    ramp: the half-life is at most this share of the images shown; 0: no such limit.
    shown: images shown before this update.
    images: that this update shows.
  """
  if ramp:
    half_life = jnp.minimum(half_life, ramp * shown)
  return 0.5 ** (images / jnp.maximum(half_life, 1e-8))


def moving_average(average: PyTree, new: PyTree, decay: jax.Array) -> PyTree:
  """Returns `new + decay · (average − new)` leaf by leaf; decay 0 gives exactly `new`."""
  return jax.tree.map(lambda a, n: n + decay * (a - n), average, new)
