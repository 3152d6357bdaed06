"""The generator's update.

z, labels ─▶ G ─▶ fakes ─▶ D′ ─▶ g_loss ─▶ gradient at the fakes ─▶ back through G ─▶ G′
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from gan_jax.runtime.tree import PyTree
from gan_jax.training.accumulation import accumulated
from gan_jax.training.discriminator import States, lazily
from gan_jax.training.judging import Examples, Judged, judge
from gan_jax.training.player import Metrics, apply, descend, finite
from gan_jax.training.recipe import Recipe, Regulariser
from gan_jax.training.state import Player
from gan_jax.training.view import GeneratorView, Moment, terms_of

AVERAGES = 'averages'
"""The collection of a generator that its mapping network moves."""


class Made(NamedTuple):
  """Fakes, and the way back to the weights that made them.

  Attributes:
    images: `[B, H, W, C]`, or a tree of such.
    mutable: the generator's collections, updated.
    pull_back: from the gradient at the images to that of the weights.
  """

  images: PyTree
  mutable: PyTree
  pull_back: Callable[[PyTree], tuple[PyTree]]


def make(recipe: Recipe, player: Player, seen: Examples) -> Made:
  """Generates fakes of latents and labels, ready to be differentiated."""
  run = lambda params: apply(recipe.generator, params, player.mutable, seen.latents, seen.labels)
  images, pull_back, mutable = jax.vjp(run, player.params, has_aux=True)
  return Made(images, mutable, pull_back)


def update(
  recipe: Recipe,
  player: Player,
  opponent: Player,
  states: States,
  real: Examples,
  fake: Examples,
  made: Made | None,
  moment: Moment,
) -> tuple[Player, PyTree, States, Metrics]:
  """Updates the generator once, and by its lazy regularisers where they are due.

  Args:
    recipe: of the step.
    player: the generator.
    opponent: the updated discriminator.
    states: of the regularisers.
    real: this device's reals, that a relativistic loss looks at.
    fake: latents and labels of the fakes, with fresh draws of the augmentation.
    made: the fakes, where they are made already; None generates them part by part.
    moment: where in the run this is.

  Returns:
    The generator, the discriminator's updated collections, states and metrics.
  """
  gradient = functools.partial(_gradient, recipe, player, opponent, states, moment, made)
  (grads, metrics), last = accumulated(gradient, recipe.accumulate, real, fake)
  mutable, opponent_mutable, states = last
  whole = _averages(recipe, player, fake) if recipe.accumulate > 1 else {}
  grads, metrics = recipe.pmean((grads, metrics))
  player, of_update = descend(player, grads, recipe.generator_tx, moment.shown)
  metrics |= {f'g_{name}': value for name, value in of_update.items()}
  metrics['g_finite'] = finite(metrics['g_loss'], metrics['g_grad_norm'])
  player = player.replace(mutable={**mutable, **whole})
  for interval, group in recipe.by_interval('generator').items():
    if interval > 1:
      names = [r.metric('generator') for r in group]
      lazy = functools.partial(_lazy_gradient, recipe, group, opponent, moment, fake)
      player, states, more = lazily(
        recipe, interval, names, lazy, player, states, recipe.generator_tx, moment
      )
      metrics['g_finite'] *= more.pop('finite')
      metrics |= more
  return player, opponent_mutable, states, metrics


def _averages(recipe: Recipe, player: Player, fake: Examples) -> PyTree:
  """The means of w, moved by the whole batch: a part of it would move them by its own."""
  if AVERAGES not in player.mutable:
    return {}
  generator, params, mutable = recipe.generator, player.params, player.mutable
  _, moved = apply(generator, params, mutable, fake.latents, fake.labels, 'mapping')
  return {AVERAGES: moved[AVERAGES]}


def _gradient(
  recipe: Recipe,
  player: Player,
  opponent: Player,
  states: States,
  moment: Moment,
  made: Made | None,
  real: Examples,
  fake: Examples,
) -> tuple[tuple[PyTree, Metrics], tuple[PyTree, PyTree, States]]:
  """The gradient of loss and regularisers, with metrics, both players' collections and states."""
  made = made or make(recipe, player, fake)
  fake = fake._replace(images=made.images)
  group = recipe.by_interval('generator').get(1, ())
  needs_reals = uses_real_logits(recipe)

  def objective(images: PyTree, params: PyTree) -> tuple[jax.Array, tuple[PyTree, States, Metrics]]:
    mutable, discriminator = opponent.mutable, recipe.discriminator
    real_logits = None
    if needs_reals:
      real_logits, _, mutable = judge(
        recipe, discriminator, opponent.params, mutable, real, moment.strength
      )
    seen = fake._replace(images=images)
    logits, outputs, mutable = judge(
      recipe, discriminator, opponent.params, mutable, seen, moment.strength
    )
    real_logits = jnp.zeros_like(logits) if real_logits is None else real_logits
    value = recipe.g_loss(real_logits, logits).mean()
    view = GeneratorView(
      recipe, player.replace(params=params), Judged(seen, logits, outputs), moment
    )
    terms = terms_of(group, 'generator', view, states)
    return value + terms.value, (mutable, terms.states, {'g_loss': value, **terms.metrics})

  # Differentiating at the images takes no gradient of the discriminator's weights.
  by = (0, 1) if group else (0,)
  (at_images, *by_weights), (mutable, states, metrics) = jax.grad(objective, by, has_aux=True)(
    made.images, player.params
  )
  for regulariser in recipe.of_player('image_gradient'):
    state, scale = states[regulariser.name], regulariser.weight(moment.shown)
    at_images, state = regulariser.module.image_gradient(
      at_images, state, regulariser.settings, recipe.pmean
    )
    at_images = jax.tree.map(lambda x, s=scale: s * x, at_images)
    states = {**states, regulariser.name: state}
  (grads,) = made.pull_back(at_images)
  for others in by_weights:
    grads = jax.tree.map(jnp.add, grads, others)
  return (grads, metrics), (made.mutable, mutable, states)


def _lazy_gradient(
  recipe: Recipe,
  group: tuple[Regulariser, ...],
  opponent: Player,
  moment: Moment,
  fake: Examples,
  player: Player,
  states: States,
) -> tuple[tuple[PyTree, Metrics], States]:
  """The gradient of lazy regularisers alone; fakes are made anew, by the updated weights."""

  def one_part(fake: Examples) -> tuple[tuple[PyTree, Metrics], States]:
    def objective(params: PyTree) -> tuple[jax.Array, tuple[States, Metrics]]:
      own = player.replace(params=params)
      made, _ = apply(recipe.generator, params, player.mutable, fake.latents, fake.labels)
      seen = fake._replace(images=made)
      logits, outputs, _ = judge(
        recipe, recipe.discriminator, opponent.params, opponent.mutable, seen, moment.strength
      )
      view = GeneratorView(recipe, own, Judged(seen, logits, outputs), moment)
      terms = terms_of(group, 'generator', view, states)
      return terms.value, (terms.states, terms.metrics)

    grads, (moved, metrics) = jax.grad(objective, has_aux=True)(player.params)
    return (grads, metrics), moved

  return accumulated(one_part, recipe.accumulate, fake)


def uses_real_logits(recipe: Recipe) -> bool:
  """Whether the generator's loss depends on the real logits at all.

  Found by tracing, so that a loss says nothing twice and a loss that ignores the reals costs no
  forward pass over them.
  """
  one = jax.ShapeDtypeStruct((1,), jnp.float32)
  jaxpr = jax.make_jaxpr(recipe.loss.g_loss)(one, one).jaxpr
  real = jaxpr.invars[0]
  return any(real is v for eqn in jaxpr.eqns for v in eqn.invars) or real in jaxpr.outvars
