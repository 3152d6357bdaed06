"""One training step: the discriminator's update, then the generator's, then the average.

    reals ──────────────┬──▶ D ─▶ real logits ─┬─▶ d_loss + regularisers ─▶ update D
    latents ─▶ G ─▶ fakes ─▶ D ─▶ fake logits ─┘
                      └────▶ updated D ─▶ g_loss + regularisers ─▶ update G ─▶ update its average

A step is `step(state, batch) -> (state, metrics)`. Over several devices it runs under an axis name:
losses, gradients and metrics are averaged over it, and nothing else is exchanged but batch
statistics. Latents and augmentations belong to the example's place in the global batch, so that one
device and eight give the same run.

This file knows the order and what is shared; losses, regularisers and augmentations are parts of
the `Recipe`.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from gan_jax.ops import linear, pixels
from gan_jax.runtime.tree import PyTree
from gan_jax.training import discriminator, draws, generator, optim, precision
from gan_jax.training.judging import Examples
from gan_jax.training.labels import draw as draw_labels
from gan_jax.training.player import Metrics, apply
from gan_jax.training.recipe import Recipe
from gan_jax.training.state import Player, TrainState
from gan_jax.training.state import shown as images_shown
from gan_jax.training.view import Moment

Batch = dict[str, jax.Array]


def make_train_step(recipe: Recipe) -> Callable[[TrainState, Batch], tuple[TrainState, Metrics]]:
  """Builds one training step.

  Args:
    recipe: what it is made of.

  Returns:
    `step(state, batch)`: `batch` holds `image`, uint8 or uint16 `[b, H, W, C]`, and `label`, int32
    `[b]`, of this device: `recipe.examples_per_step` over all devices. Metrics are float32 scalars,
    averaged over devices; `d_finite` and `g_finite` are 1 where the player's loss and gradients
    were all finite. The metric of a lazy regulariser is NaN in the steps that leave it out.
  """

  def step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
    moment = _moment(recipe, state)
    *earlier, d_real, g_real = _deal(recipe, _reals(recipe, batch, moment), moment)
    for_d = lambda real: _fakes_of(recipe, real, moment, 'fake')

    if earlier:  # as a loop, so that many updates are compiled once
      stacked = jax.tree.map(lambda *parts: jnp.stack(parts), *earlier)
      once = lambda s, real: _update_d(
        recipe, s, real, _made(recipe, s.generator, for_d(real)), moment
      )
      state, _ = jax.lax.scan(once, state, stacked)
    g_fake = _fakes_of(recipe, g_real, moment, 'generator')
    made = None
    d_fake = for_d(d_real)
    if recipe.share_batch and recipe.accumulate == 1:
      made = generator.make(recipe, state.generator, g_fake)
      # Of the same latents: one forward pass for both.
      d_fake = d_fake._replace(images=made.images)
    else:
      d_fake = _made(recipe, state.generator, d_fake)
    state, d_metrics = _update_d(recipe, state, d_real, d_fake, moment)
    if made is None:
      g_fake = g_fake._replace(latents=_after(d_metrics['d_grad_norm'], g_fake.latents))
    player, d_mutable, states, g_metrics = generator.update(
      recipe,
      state.generator,
      state.discriminator,
      state.regularisers,
      g_real,
      g_fake,
      made,
      moment,
    )
    state = state.replace(
      step=state.step + 1,
      images=state.images + recipe.images_per_step,
      generator=player,
      discriminator=state.discriminator.replace(mutable=d_mutable),
      regularisers=states,
      ema=_averaged(recipe, state.ema, player, moment),
    )
    metrics = {**d_metrics, **g_metrics}
    if recipe.augmentation.active:
      metrics['augment_strength'] = moment.strength
    return state, metrics

  return step


def _update_d(
  recipe: Recipe, state: TrainState, real: Examples, fake: Examples, moment: Moment
) -> tuple[TrainState, Metrics]:
  """The state after one update of the discriminator, of its regularisers and of the strength."""
  augmentation = recipe.augmentation
  real = real._replace(
    images=augmentation.mix(real.draws, real.images, fake.images, moment.strength)
  )
  player, states, metrics = discriminator.update(
    recipe, state.discriminator, state.generator, state.regularisers, real, fake, moment
  )
  strength = augmentation.observe(
    state.augmentation, metrics['d_real_sign'], state.step + 1, recipe.images_per_step
  )
  return state.replace(discriminator=player, regularisers=states, augmentation=strength), metrics


def _moment(recipe: Recipe, state: TrainState) -> Moment:
  shown = images_shown(state)
  key = jax.random.fold_in(jax.random.wrap_key_data(state.rng), state.step)
  strength = recipe.augmentation.strength_at(state.augmentation, shown)
  return Moment(state.step, shown, key, strength)


def _reals(recipe: Recipe, batch: Batch, moment: Moment) -> Examples:
  """All reals of the step, as the discriminator is shown them."""
  places = draws.places(batch['label'].shape[0], recipe.axis_name)
  images = pixels.to_model(batch['image'])
  if recipe.flip:
    images = _flip(draws.per_example(draws.named(moment.key, 'flip'), places), images)
  present = getattr(recipe.discriminator, 'present', lambda images: images)
  keys = draws.per_example(draws.named(moment.key, 'augment real'), places)
  return Examples(present(images), batch['label'], places, keys)


def _deal(recipe: Recipe, reals: Examples, moment: Moment) -> list[Examples]:
  """The reals of each update of the discriminator in turn, and last those of the generator.

  Rows are dealt out rather than cut, so that it is the same whether the batch is divided among the
  updates before it is divided over devices or after.
  """
  parts = recipe.examples_per_step // recipe.batch_size
  dealt = [jax.tree.map(lambda x, first=first: x[first::parts], reals) for first in range(parts)]
  again = draws.per_example(draws.named(moment.key, 'augment real again'), dealt[-1].places)
  of_discriminator = dealt if recipe.share_batch else dealt[:-1]
  return [*of_discriminator, dealt[-1]._replace(draws=again)]


def _fakes_of(recipe: Recipe, real: Examples, moment: Moment, player: str) -> Examples:
  """Latents and labels of the fakes that stand beside reals; images are not made yet."""
  named = lambda name: draws.named(moment.key, name)
  latents = draws.draw_latents(named('latent'), real.places, recipe.generator.latent_size)
  labels = real.labels
  if recipe.fake_labels is not None:
    keys = draws.per_example(named('label'), real.places)
    labels = draw_labels(keys, jnp.asarray(recipe.fake_labels))
  keys = draws.per_example(named(f'augment {player}'), real.places)
  return Examples((), labels, real.places, keys, latents)


def _made(recipe: Recipe, player: Player, seen: Examples) -> Examples:
  """The same with images, which are not differentiated; batch statistics are not moved."""
  images, _ = apply(recipe.generator, player.params, player.mutable, seen.latents, seen.labels)
  return seen._replace(images=images)


def _after(done: jax.Array, x: PyTree) -> PyTree:
  """A tree of arrays, on a TPU not before a scalar is known.

  The generator's own forward pass needs nothing of the discriminator's update. Run ahead of it, it
  would hold all its activations while the update is at its most.
  """
  hold = lambda x, done: jax.lax.optimization_barrier((x, done))[0]
  return linear.by_platform(x, done, tpu=hold, plain=lambda x, done: x)


def _averaged(recipe: Recipe, ema: PyTree, player: Player, moment: Moment) -> PyTree:
  """The generator's moving average after its update."""
  half_life = recipe.ema_half_life(moment.shown)
  decay = optim.ema_decay(half_life, recipe.ema_ramp, moment.shown, recipe.images_per_step)
  new = {'params': player.params, **player.mutable}
  moved = optim.moving_average(precision.float32(ema), new, decay)
  key = draws.named(moment.key, 'average')
  return {**moved, 'params': precision.rounded_tree(moved['params'], key, recipe.ema_precision)}


def _flip(keys: jax.Array, images: jax.Array) -> jax.Array:
  mirror = jax.vmap(jax.random.bernoulli)(keys)
  return jnp.where(mirror[:, None, None, None], images[:, :, ::-1], images)
