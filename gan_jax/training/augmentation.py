"""The augmentations of a run, behind which the discriminator sees images, and their strength."""

import dataclasses
import functools
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp

from gan_jax.runtime.tree import PyTree
from gan_jax.training import draws
from gan_jax.training.augment import controller
from gan_jax.training.optim import Schedule


@dataclasses.dataclass(frozen=True)
class Augmentation:
  """What is done to images before the discriminator looks.

  Attributes:
    operations: modules of `gan_jax.training.augment` with their settings, in order.
    pseudo: replace reals by fakes with the strength as probability (APA, arXiv:2111.06849).
    strength: probability of each operation, over images shown; None: the controller sets it.
    adaptive: settings of the adaptive strength (ADA, arXiv:2006.06676, section 3.2), or None.
  """

  operations: tuple[tuple[ModuleType, Any], ...] = ()
  pseudo: bool = False
  strength: Schedule | None = None
  adaptive: controller.Settings | None = None

  @property
  def active(self) -> bool:
    """Whether it does anything."""
    return bool(self.operations) or self.pseudo

  def initial_state(self) -> PyTree:
    """What it keeps in the TrainState: the controller's state; nothing where there is none."""
    return {} if self.adaptive is None else controller.initial(self.adaptive)

  def strength_at(self, state: PyTree, shown: jax.Array) -> jax.Array:
    """The strength in [0, 1] after so many images."""
    if self.adaptive is not None:
      return state.strength
    return jnp.zeros(()) if self.strength is None else self.strength(shown)

  def observe(self, state: PyTree, sign: jax.Array, updates: jax.Array, batch_size: int) -> PyTree:
    """The state after an update of the discriminator.

    Args:
      state: before it.
      sign: mean sign of its logits on reals, over all devices.
      updates: of the discriminator so far, this one included.
      batch_size: images of an update.
    """
    if self.adaptive is None:
      return state
    state = controller.observe(state, sign)
    return controller.adjust(state, updates, self.adaptive, batch_size)

  def __call__(self, keys: jax.Array, images: PyTree, strength: jax.Array) -> PyTree:
    """Augments images `[B, H, W, C]`, or each of a tree of them, by the same keys `[B]`."""
    for number, (module, settings) in enumerate(self.operations):
      own = jax.vmap(lambda key, n=number: jax.random.fold_in(key, n))(keys)
      change = lambda x, m=module, s=settings, k=own: _augment(m, s, k, x, strength)
      whole = getattr(module, 'WHOLE_TREE', False)
      images = change(images) if whole else jax.tree.map(change, images)
    return images

  def mix(self, keys: jax.Array, reals: PyTree, fakes: PyTree, strength: jax.Array) -> PyTree:
    """Reals, of which each is its fake with the strength as probability where `pseudo`."""
    if not self.pseudo:
      return reals
    chosen = jax.vmap(lambda key: jax.random.uniform(draws.named(key, 'pseudo')))(keys) < strength
    choose = lambda r, f: jnp.where(chosen.reshape(-1, *[1] * (r.ndim - 1)), f, r)
    return jax.tree.map(choose, reals, jax.lax.stop_gradient(fakes))


# Traced once for the several times a step that images of one shape are augmented.
@functools.partial(jax.jit, static_argnums=(0, 1), inline=True)
def _augment(
  module: ModuleType, settings: Any, keys: jax.Array, images: PyTree, strength: jax.Array
) -> PyTree:
  return module.augment(keys, images, strength, settings)
