"""The controller of the augmentations' strength (ADA, arXiv:2006.06676, section 3.2)."""

import dataclasses

import flax.struct
import jax
import jax.numpy as jnp


@dataclasses.dataclass(frozen=True)
class Settings:
  """Settings of the controller."""

  target: float = 0.6
  ramp_images: float = 500_000.0
  interval: int = 4
  initial: float = 0.0
  maximum: float = 0.85


class AdaptiveState(flax.struct.PyTreeNode):
  strength: jax.Array
  sign_sum: jax.Array
  sign_count: jax.Array


def initial(settings: Settings) -> AdaptiveState:
  return AdaptiveState(jnp.full((), settings.initial, jnp.float32), jnp.zeros(()), jnp.zeros(()))


def observe(state: AdaptiveState, sign: jax.Array) -> AdaptiveState:
  return state.replace(sign_sum=state.sign_sum + sign, sign_count=state.sign_count + 1)


def adjust(
  state: AdaptiveState, updates: jax.Array, settings: Settings, batch_size: int
) -> AdaptiveState:
  r = state.sign_sum / jnp.maximum(state.sign_count, 1)
  step = settings.interval * batch_size / settings.ramp_images
  moved = jnp.clip(state.strength + jnp.sign(r - settings.target) * step, 0, settings.maximum)
  due = updates % settings.interval == 0
  new = AdaptiveState(moved, jnp.zeros(()), jnp.zeros(()))
  return jax.tree.map(lambda a, b: jnp.where(due, a, b), new, state)
