"""What the discriminator says of images that it was not trained on, and how fakes spread.

Forward passes alone, in a program of their own that runs once a log: a step does not pay for it.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from gan_jax.ops import pixels
from gan_jax.runtime.tree import PyTree
from gan_jax.training import draws
from gan_jax.training.gradient_norms import squared_norms
from gan_jax.training.judging import Examples, judge
from gan_jax.training.player import Metrics, apply
from gan_jax.training.recipe import Recipe
from gan_jax.training.state import TrainState
from gan_jax.training.state import shown as images_shown

Batch = dict[str, jax.Array]
# A value so near ±1 is black or white for the eye.
_SATURATED = 0.995


def make_diagnosis(recipe: Recipe) -> Callable[[TrainState, Batch, Batch], Metrics]:
  """Builds `diagnose(state, training batch, held-out batch)`.

  The discriminator judges as in training: behind the augmentation at its present strength, each set
  by itself, normalised by its own batch where it has batch normalisation; what that moves is
  dropped. Fakes are of the generator in training and of the classes of the training batch.

  Returns:
    A function of a state and two batches as the step takes them, of this device. Its metrics,
    averaged over devices: `d_train_logit`, `d_holdout_logit`, `d_fake_logit`, means;
    `d_overfit_gap`, (train − holdout) / (train − fake), 0 where both kinds of real images are alike
    for the discriminator and 1 where held-out ones are fakes to it (r_v of ADA, arXiv:2006.06676,
    Eq. 1); `fake_diversity`, root mean square distance of two fakes of one class over that of two
    training images of any; `fake_saturated`, share of values beyond ±0.995.
  """

  def diagnose(state: TrainState, training: Batch, held_out: Batch) -> Metrics:
    shown = images_shown(state)
    key = jax.random.fold_in(jax.random.wrap_key_data(state.rng), state.step)
    key = draws.named(key, 'diagnosis')
    strength = recipe.augmentation.strength_at(state.augmentation, shown)
    places = draws.places(len(training['label']), recipe.axis_name)
    keys = draws.per_example(draws.named(key, 'augment'), places)

    def mean_logit(images: PyTree, labels: jax.Array) -> jax.Array:
      seen = Examples(images, labels, places[: len(labels)], keys[: len(labels)])
      player = state.discriminator
      judged = judge(recipe, recipe.discriminator, player.params, player.mutable, seen, strength)
      return judged[0].mean()

    def fakes(name: str) -> PyTree:
      latents = draws.draw_latents(draws.named(key, name), places, recipe.generator.latent_size)
      player = state.generator
      return apply(recipe.generator, player.params, player.mutable, latents, training['label'])[0]

    present = getattr(recipe.discriminator, 'present', lambda images: images)
    reals = [present(pixels.to_model(batch['image'])) for batch in (training, held_out)]
    first, second = fakes('first'), fakes('second')
    metrics = {
      'd_train_logit': mean_logit(reals[0], training['label']),
      'd_holdout_logit': mean_logit(reals[1], held_out['label']),
      'd_fake_logit': mean_logit(first, training['label']),
      'fake_saturated': _saturated(first),
      'fakes_apart': _mean_square(first, second),
    }
    metrics = recipe.pmean(metrics)
    apart = metrics.pop('fakes_apart') / jnp.maximum(_apart(recipe, reals[0]), 1e-12)
    train, holdout, fake = (metrics[f'd_{name}_logit'] for name in ('train', 'holdout', 'fake'))
    way = train - fake
    metrics['d_overfit_gap'] = (train - holdout) / jnp.where(jnp.abs(way) < 1e-6, 1e-6, way)
    return {**metrics, 'fake_diversity': jnp.sqrt(apart)}

  return diagnose


def _apart(recipe: Recipe, images: PyTree) -> jax.Array:
  """Mean squared distance of two different images of the global batch: twice their variance."""
  count = recipe.examples_per_step
  square = recipe.mean(squared_norms(images))
  middle = squared_norms(jax.tree.map(lambda x: recipe.mean(x)[None], images))[0]
  return 2 * (square - middle) * count / max(count - 1, 1)


def _saturated(images: PyTree) -> jax.Array:
  shares = [jnp.mean(jnp.abs(x) > _SATURATED) for x in jax.tree.leaves(images)]
  return jnp.stack(shares).mean()


def _mean_square(first: PyTree, second: PyTree) -> jax.Array:
  return squared_norms(jax.tree.map(jnp.subtract, first, second)).mean()
