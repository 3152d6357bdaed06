"""What a regulariser may look at: the step's own work, computed once for all who ask.

`DiscriminatorView` is passed to a module's `discriminator(view, settings)`, `GeneratorView` to its
`generator(view, settings)` and `image_gradient(gradient, view, settings)`.
"""

import copy
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gan_jax.runtime.tree import PyTree
from gan_jax.training import draws
from gan_jax.training.gradient_norms import squared_norms
from gan_jax.training.judging import Examples, Judged, judge
from gan_jax.training.player import apply
from gan_jax.training.recipe import Recipe, Regulariser
from gan_jax.training.state import Player


class Moment(NamedTuple):
  """Where in the run a step is.

  Attributes:
    step: updates of the generator so far.
    shown: real images shown so far.
    key: of the step; consumers fold their names into it.
    strength: of the augmentation, in [0, 1].
  """

  step: jax.Array
  shown: jax.Array
  key: jax.Array
  strength: jax.Array


class _View:
  """What the regularisers of both players see.

  Attributes:
    params: weights of the player, by which the term is differentiated.
    state: the regulariser's own, where it has one.
    key: the regulariser's own in this step.
    shown: real images shown so far.
    places: of the examples in the global batch, `[B]`.
    latents: that the fakes were made of, `[B, z]`.
  """

  latents: jax.Array

  def __init__(self, recipe: Recipe, params: PyTree, seen: Examples, moment: Moment):
    self._recipe, self._moment = recipe, moment
    self.params, self.places, self.shown = params, seen.places, moment.shown
    self.key: jax.Array = moment.key
    self.state: Any = None

  def of(self, name: str, state: PyTree) -> Any:
    """This view for the regulariser of a name; what is computed for one is there for all."""
    own = copy.copy(self)
    own.key, own.state = draws.named(self._moment.key, name), state
    return own

  def keys(self, purpose: str = '', places: jax.Array | None = None) -> jax.Array:
    """A key for each example, or for some places, of the regulariser's own and of a purpose."""
    return draws.per_example(
      draws.named(self.key, purpose), self.places if places is None else places
    )

  def mean(self, x: jax.Array) -> jax.Array:
    """Averages over the first axis, the examples, of all devices."""
    return self._recipe.mean(x)

  def normal_latents(self, purpose: str) -> jax.Array:
    """Draws N(0, I) for each example, `[B, z]`."""
    size = self.latents.shape[1:]
    return jax.vmap(lambda key: jax.random.normal(key, size))(self.keys(purpose))

  def normal_like(self, judged: Judged, purpose: str = '') -> PyTree:
    """Draws N(0, 1) for every value of judged images, `[B, ...]` or a tree of such.

    Of reals that are presented as a tree: for the images that it is made of, presented likewise.
    """
    leaves, structure = jax.tree.flatten(judged.images)
    present = getattr(self._recipe.discriminator, 'present', None)
    if judged.examples.latents is None and present is not None:
      shape = (*self._recipe.generator.resolution, self._recipe.generator.channels)
      normal = functools.partial(jax.random.normal, shape=shape)
      return present(jax.vmap(normal)(self.keys(f'{purpose}0', judged.examples.places)))
    drawn = []
    for number, x in enumerate(leaves):
      normal = functools.partial(jax.random.normal, shape=x.shape[1:], dtype=x.dtype)
      drawn.append(jax.vmap(normal)(self.keys(f'{purpose}{number}', judged.examples.places)))
    return jax.tree.unflatten(structure, drawn)


class DiscriminatorView(_View):
  """What a regulariser of the discriminator may look at."""

  def __init__(
    self,
    recipe: Recipe,
    player: Player,
    opponent: Player,
    judged: Callable[[], tuple[Judged, Judged]],
    seen: Examples,
    moment: Moment,
  ):
    super().__init__(recipe, player.params, seen, moment)
    self._mutable, self._generator, self._judged = player.mutable, opponent, judged
    assert seen.latents is not None
    self.latents = seen.latents

  @property
  def real(self) -> Judged:
    """The reals, judged; with `squared_norms` where NEEDS has `real_gradient`."""
    return self._judged()[0]

  @property
  def fake(self) -> Judged:
    """The fakes, judged; with `squared_norms` where NEEDS has `fake_gradient`."""
    return self._judged()[1]

  def judge(self, images: PyTree, like: Judged, fresh: str = '') -> jax.Array:
    """Judges other images in the place of judged ones.

    Args:
      images: `[B, ...]`, before augmentation.
      like: whose labels they have, and whose draws of the augmentation.
      fresh: a purpose, for draws of their own in place of those.

    Returns:
      Logits `[B]` or `[B, n]`.
    """
    seen = like.examples._replace(images=images)
    if fresh:
      seen = seen._replace(draws=self.keys(fresh, seen.places))
    # What a further look does to running averages is dropped: the update's own look moves them.
    discriminator, strength = self._recipe.discriminator, self._moment.strength
    return judge(self._recipe, discriminator, self.params, self._mutable, seen, strength)[0]

  def squared_norms(self, images: PyTree, like: Judged) -> jax.Array:
    """Squared norms `[B]` of the gradient of the logits at other images, labelled as `like`."""
    return squared_norms(jax.grad(lambda x: jnp.sum(self.judge(x, like)))(images))

  def generate(self, latents: jax.Array) -> PyTree:
    """Fakes of other latents `[B, z]` in the place of the fakes; not differentiated."""
    generator, labels = self._generator, self.fake.labels
    images, _ = apply(self._recipe.generator, generator.params, generator.mutable, latents, labels)
    return jax.lax.stop_gradient(images)


class GeneratorView(_View):
  """What a regulariser of the generator may look at.

  Attributes:
    fake: the fakes, judged by the updated discriminator; differentiable at the images.
    labels: their classes, `[B]`.
  """

  def __init__(self, recipe: Recipe, player: Player, fake: Judged, moment: Moment):
    super().__init__(recipe, player.params, fake.examples, moment)
    self._mutable, self.fake, self.labels = player.mutable, fake, fake.labels
    assert fake.examples.latents is not None
    self.latents = fake.examples.latents

  def generate(self, latents: jax.Array, labels: jax.Array) -> PyTree:
    """Images of latents `[B, z]`, differentiable by the weights and the latents."""
    return apply(self._recipe.generator, self.params, self._mutable, latents, labels)[0]

  def intermediate(self, count: int) -> tuple[PyTree, Callable[[PyTree], PyTree]]:
    """The first latents in the generator's own space, and the images as a function of them.

    Returns:
      w of the generator's mapping network, or z itself where it has none, `[count, ...]` or a tree
      of such, and `synthesise(w) -> images`.
    """
    generator, latents, labels = self._recipe.generator, self.latents[:count], self.labels[:count]
    if not hasattr(generator, 'mapping'):
      return latents, lambda z: self.generate(z, labels)
    run = functools.partial(apply, generator, self.params, self._mutable)
    return run(latents, labels, 'mapping')[0], lambda w: run(w, labels, 'synthesis')[0]


class Terms(NamedTuple):
  """What regularisers add to a player's objective.

  Attributes:
    value: the weighted sum of their terms.
    states: of all regularisers, by name, those of these moved on.
    metrics: each term before its weight, averaged over this device's examples.
  """

  value: jax.Array
  states: dict[str, PyTree]
  metrics: dict[str, jax.Array]


def terms_of(
  group: tuple[Regulariser, ...], part: str, view: _View, states: dict[str, PyTree]
) -> Terms:
  """Adds up the terms of regularisers of one player, `part`, and one interval."""
  value, metrics = jnp.zeros(()), {}
  for regulariser in group:
    own = view.of(regulariser.name, states.get(regulariser.name, {}))
    term = getattr(regulariser.module, part)(own, regulariser.settings)
    if regulariser.stateful:
      term, moved = term
      states = {**states, regulariser.name: jax.lax.stop_gradient(moved)}
    mean = term.mean()
    metrics[regulariser.metric(part)] = mean
    value += regulariser.weight(view.shown) * regulariser.interval * mean
  return Terms(value, states, metrics)
