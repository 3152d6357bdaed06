"""The discriminator's update.

    reals ─▶ D ─▶ real logits ─┬─▶ d_loss + Σ weight · regulariser ─▶ gradient ─▶ D′
    fakes ─▶ D ─▶ fake logits ─┘

A lazy regulariser has an update of its own after that, every `interval` steps.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from gan_jax.runtime.tree import PyTree
from gan_jax.training.accumulation import accumulated
from gan_jax.training.judging import BothJudged, Examples, Judged, judge_both
from gan_jax.training.player import Metrics, descend, finite
from gan_jax.training.recipe import Recipe, Regulariser
from gan_jax.training.state import Player
from gan_jax.training.view import DiscriminatorView, Moment, terms_of

States = dict[str, PyTree]


def update(
  recipe: Recipe,
  player: Player,
  opponent: Player,
  states: States,
  real: Examples,
  fake: Examples,
  moment: Moment,
) -> tuple[Player, States, Metrics]:
  """Updates the discriminator once, and by its lazy regularisers where they are due.

  Args:
    recipe: of the step.
    player: the discriminator.
    opponent: the generator that made the fakes.
    states: of the regularisers.
    real: this device's reals.
    fake: this device's fakes.
    moment: where in the run this is.
  """
  gradient = functools.partial(_gradient, recipe, player, opponent, states, moment)
  (grads, metrics), (mutable, states) = accumulated(gradient, recipe.accumulate, real, fake)
  grads, metrics = recipe.pmean((grads, metrics))
  moved, of_update = descend(player, grads, recipe.discriminator_tx, moment.shown)
  metrics |= {f'd_{name}': value for name, value in of_update.items()}
  metrics['d_finite'] = finite(metrics['d_loss'], metrics['d_grad_norm'])
  player = moved.replace(mutable=mutable)
  for interval, group in recipe.by_interval('discriminator').items():
    if interval > 1:
      names = [r.metric('discriminator') for r in group]
      lazy = functools.partial(_lazy_gradient, recipe, group, opponent, moment, real, fake)
      player, states, more = lazily(
        recipe, interval, names, lazy, player, states, recipe.discriminator_tx, moment
      )
      metrics['d_finite'] *= more.pop('finite')
      metrics |= more
  return player, states, metrics


def _gradient(
  recipe: Recipe,
  player: Player,
  opponent: Player,
  states: States,
  moment: Moment,
  real: Examples,
  fake: Examples,
) -> tuple[tuple[PyTree, Metrics], tuple[PyTree, States]]:
  """The gradient of loss and regularisers, with metrics, updated collections and states."""
  group = recipe.by_interval('discriminator').get(1, ())

  def objective(params: PyTree) -> tuple[jax.Array, tuple[BothJudged, States, Metrics]]:
    """What is to be differentiated, and beside it the gradients that are known already."""
    own = player.replace(params=params)
    both = judge_both(recipe, group, own, real, fake, moment.strength)
    pair = both.real, both.fake
    view = DiscriminatorView(recipe, own, opponent, lambda: pair, fake, moment)
    terms = terms_of(group, 'discriminator', view, states)
    adversarial = recipe.d_loss(both.real.logits, both.fake.logits).mean()
    metrics = {'d_loss': adversarial, **terms.metrics}
    metrics['real_logit'], metrics['fake_logit'] = (half.logits.mean() for half in pair)
    metrics['d_real_sign'] = jnp.sign(both.real.logits).mean()
    value = terms.value + (adversarial if both.gradients is None else 0)
    return value, (both, terms.states, metrics)

  grads, (both, states, metrics) = jax.grad(objective, has_aux=True)(player.params)
  for others in both.gradients or []:
    grads = jax.tree.map(jnp.add, grads, others)
  return (grads, metrics), (both.mutable, states)


def _lazy_gradient(
  recipe: Recipe,
  group: tuple[Regulariser, ...],
  opponent: Player,
  moment: Moment,
  real: Examples,
  fake: Examples,
  player: Player,
  states: States,
) -> tuple[tuple[PyTree, Metrics], States]:
  """The gradient of lazy regularisers alone."""

  def one_part(real: Examples, fake: Examples) -> tuple[tuple[PyTree, Metrics], States]:
    def objective(params: PyTree) -> tuple[jax.Array, tuple[States, Metrics]]:
      own = player.replace(params=params)
      judged = functools.cache(functools.partial(_judged, recipe, group, own, real, fake, moment))
      view = DiscriminatorView(recipe, own, opponent, judged, fake, moment)
      terms = terms_of(group, 'discriminator', view, states)
      return terms.value, (terms.states, terms.metrics)

    grads, (moved, metrics) = jax.grad(objective, has_aux=True)(player.params)
    return (grads, metrics), moved

  return accumulated(one_part, recipe.accumulate, real, fake)


def _judged(
  recipe: Recipe,
  group: tuple[Regulariser, ...],
  player: Player,
  real: Examples,
  fake: Examples,
  moment: Moment,
) -> tuple[Judged, Judged]:
  """Reals and fakes for lazy terms; what none of them looks at is left out of the program."""
  both = judge_both(recipe, group, player, real, fake, moment.strength, share=False)
  return both.real, both.fake


def lazily(
  recipe: Recipe,
  interval: int,
  names: list[str],
  gradient: Callable[[Player, States], tuple[tuple[PyTree, Metrics], States]],
  player: Player,
  states: States,
  tx: optax.GradientTransformation,
  moment: Moment,
) -> tuple[Player, States, Metrics]:
  """An update by lazy regularisers every `interval` steps; else nothing, and metrics of NaN."""

  def due(player: Player, states: States) -> tuple[Player, States, Metrics]:
    (grads, metrics), states = gradient(player, states)
    grads, metrics = recipe.pmean((grads, metrics))
    player, of_update = descend(player, grads, tx, moment.shown)
    return player, states, {**metrics, 'finite': finite(of_update['grad_norm'])}

  def skip(player: Player, states: States) -> tuple[Player, States, Metrics]:
    nothing = {name: jnp.full((), jnp.nan) for name in names}
    return player, states, {**nothing, 'finite': jnp.ones(())}

  return jax.lax.cond(moment.step % interval == 0, due, skip, player, states)
