"""What a training step is made of: parts that are decided before anything is traced."""

import dataclasses
import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from gan_jax.runtime.tree import PyTree
from gan_jax.training.augmentation import Augmentation
from gan_jax.training.optim import Schedule

Loss = Callable[[jax.Array, jax.Array], jax.Array]


@dataclasses.dataclass(frozen=True)
class Regulariser:
  """A module of `gan_jax.training.regularisers` as a run uses it.

  Attributes:
    name: of its config section, its metric and its state.
    module: what it does.
    settings: its own `Settings`.
    weight: factor on its term, over images shown.
    interval: steps between two uses. From 2 on it has an update of its own, with the weight times
      the interval (lazy regularisation, StyleGAN2, arXiv:1912.04958, appendix B).
  """

  name: str
  module: ModuleType
  settings: Any
  weight: Schedule
  interval: int = 1

  def has(self, part: str) -> bool:
    """Whether its module defines `discriminator`, `generator` or `image_gradient`."""
    return hasattr(self.module, part)

  def needs(self, what: str) -> bool:
    """Whether it takes `real_gradient` or `fake_gradient` out of the step's own backward pass."""
    of_part = getattr(self.settings, 'one_in', 1) > 1  # which has a pass of its own
    return what in getattr(self.module, 'NEEDS', ()) and not of_part

  def metric(self, part: str) -> str:
    """The name of its metric; where it has a term of each player, the generator's is marked."""
    of_both = part == 'generator' and self.has('discriminator')
    return f'generator_{self.name}' if of_both else self.name

  @property
  def stateful(self) -> bool:
    """Whether it keeps a state of its own in the TrainState."""
    return hasattr(self.module, 'initial_state')


@dataclasses.dataclass(frozen=True)
class Recipe:
  """The static parts of a training step.

  Attributes:
    generator: module `(latents [B, z], labels [B], train) -> images [B, H, W, C]`, or a tree.
    discriminator: module `(images, labels, train) -> logits [B] or [B, n]`, or a dict with `logits`
      and further outputs, with `for_parts(n)`: itself for a batch of n parts, one after the other,
      that have no part in each other's logits. Where its `piecewise_linear` is true, loss and
      penalties share a backward pass. `present(images)`, where it has one, brings reals to the form
      that it judges.
    generator_tx: optimiser of the generator; its update may take `shown`, the images shown so far.
    discriminator_tx: optimiser of the discriminator.
    loss: a module of `gan_jax.training.losses`.
    batch_size: images of one player's update, over all devices of the axis.
    ema_half_life: half-life, in images, of the generator's average over images shown.
    ema_ramp: see `optim.ema_decay`.
    ema_precision: of the average's weights between updates, see `precision`.
    regularisers: in the order in which their terms are added.
    augmentation: of all that the discriminator looks at.
    share_batch: both players see the same reals and latents, and the generator's forward pass runs
      once; otherwise the batch holds examples of its own for the generator.
    d_steps: updates of the discriminator in a step, each on reals and latents of its own.
    accumulate: parts that a player's batch is cut into, one after the other, for the memory's sake.
    flip: mirror reals left-right with probability 1/2.
    fake_labels: probability of each class among the labels of fakes; None: labels of the reals.
    axis_name: mapped axis of devices, or None.
  """

  generator: nn.Module
  discriminator: nn.Module
  generator_tx: optax.GradientTransformation
  discriminator_tx: optax.GradientTransformation
  loss: ModuleType
  batch_size: int
  ema_half_life: Schedule
  ema_ramp: float = 0.0
  ema_precision: str = 'float32'
  regularisers: tuple[Regulariser, ...] = ()
  augmentation: Augmentation = dataclasses.field(default_factory=Augmentation)
  share_batch: bool = True
  d_steps: int = 1
  accumulate: int = 1
  flip: bool = False
  fake_labels: tuple[float, ...] | None = None
  axis_name: str | None = None

  @property
  def images_per_step(self) -> int:
    """Real images that a step shows to the discriminator."""
    return self.batch_size * self.d_steps

  @property
  def examples_per_step(self) -> int:
    """Examples that the batch of a step holds, over all devices."""
    return self.batch_size * (self.d_steps + (0 if self.share_batch else 1))

  @property
  def d_loss(self) -> Loss:
    """The discriminator's loss of two `[B]` or `[B, n]`, one value each."""
    return self._whole(self.loss.d_loss)

  @property
  def g_loss(self) -> Loss:
    """The generator's loss, likewise."""
    return self._whole(self.loss.g_loss)

  def _whole(self, loss: Callable[..., jax.Array]) -> Loss:
    if getattr(self.loss, 'WHOLE_BATCH', False):
      return functools.partial(loss, mean=self.mean)
    return loss

  def pmean(self, tree: PyTree) -> PyTree:
    """Averages over the devices."""
    return tree if self.axis_name is None else jax.lax.pmean(tree, self.axis_name)

  def mean(self, x: jax.Array) -> jax.Array:
    """Averages over the examples, the first axis, of all devices."""
    return self.pmean(jnp.mean(x, axis=0))

  def of_player(self, part: str) -> tuple[Regulariser, ...]:
    """The regularisers whose module defines `discriminator`, `generator` or `image_gradient`."""
    return tuple(r for r in self.regularisers if r.has(part))

  def by_interval(self, part: str) -> dict[int, tuple[Regulariser, ...]]:
    """The regularisers of a player, by the steps between two uses."""
    members = self.of_player(part)
    return {
      k: tuple(r for r in members if r.interval == k) for k in sorted({r.interval for r in members})
    }
