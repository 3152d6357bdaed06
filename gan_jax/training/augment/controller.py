"""The controller of the augmentations' strength (ADA, arXiv:2006.06676, section 3.2).

It knows nothing of what the strength is used for: ADA, DiffAugment or pseudo reals.
"""

import dataclasses

import flax.struct
import jax
import jax.numpy as jnp


@dataclasses.dataclass(frozen=True)
class Settings:
  """Settings of the controller.

  Attributes:
    target: mean sign of the discriminator's logits at reals that is held: 1 where it is sure of all
      of them, which is how overfitting begins.
    ramp_images: real images over which the strength goes from 0 to 1 if it always rises.
    interval: steps between two adjustments.
    initial: strength at first.
    maximum: that is never passed. The original has none; near 1 augmentations leak into samples.
  """

  target: float = 0.6
  ramp_images: float = 500_000.0
  interval: int = 4
  initial: float = 0.0
  maximum: float = 0.85


class AdaptiveState(flax.struct.PyTreeNode):
  """What the controller remembers: float32 scalars, the same on all devices.

  Attributes:
    strength: in [0, maximum].
    sign_sum: sum of the mean signs seen since the last adjustment.
    sign_count: their number.
  """

  strength: jax.Array
  sign_sum: jax.Array
  sign_count: jax.Array


def initial(settings: Settings) -> AdaptiveState:
  """The state of step 0."""
  strength = jnp.full((), settings.initial, jnp.float32)
  return AdaptiveState(strength, jnp.zeros(()), jnp.zeros(()))


def observe(state: AdaptiveState, sign: jax.Array) -> AdaptiveState:
  """Notes the mean sign of a batch's real logits, averaged over the devices."""
  return state.replace(sign_sum=state.sign_sum + sign, sign_count=state.sign_count + 1)


def adjust(
  state: AdaptiveState, steps: jax.Array, settings: Settings, images_per_step: int
) -> AdaptiveState:
  """Moves the strength towards the target where an adjustment is due.

  p ← p + sign(r − target) · interval · images / ramp, r the mean sign since the last adjustment.

  Args:
    state: after the observations of this step.
    steps: done, this one included.
    settings: of the controller.
    images_per_step: real images that a step shows.
  """
  mean = state.sign_sum / jnp.maximum(state.sign_count, 1)
  change = settings.interval * images_per_step / settings.ramp_images
  moved = state.strength + jnp.sign(mean - settings.target) * change
  adjusted = AdaptiveState(jnp.clip(moved, 0, settings.maximum), jnp.zeros(()), jnp.zeros(()))
  due = steps % settings.interval == 0
  return jax.tree.map(lambda new, old: jnp.where(due, new, old), adjusted, state)
