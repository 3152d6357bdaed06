"""How the discriminator judges images, once for the loss and for all regularisers.

Images may be a tree (several levels or resolutions): nothing here looks inside.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from gan_jax.runtime.tree import PyTree
from gan_jax.training.gradient_norms import PullBack, zero_centred
from gan_jax.training.player import apply
from gan_jax.training.recipe import Recipe, Regulariser
from gan_jax.training.state import Player


class Examples(NamedTuple):
  """Images with what belongs to them.

  Attributes:
    images: before augmentation, `[B, H, W, C]` or a tree of such.
    labels: int32 `[B]`.
    places: in the global batch, int32 `[B]`.
    draws: keys of the augmentation, `[B]`.
    latents: that fakes were made of, `[B, z]`; None of reals.
  """

  images: PyTree
  labels: jax.Array
  places: jax.Array
  draws: jax.Array
  latents: jax.Array | None = None


class Judged(NamedTuple):
  """Examples and what the discriminator says of them.

  Attributes:
    examples: the images and what belongs to them.
    logits: `[B]` or `[B, n]`.
    outputs: what else the discriminator returns, by name.
    norms: see `squared_norms`; None where no module asks for them.
  """

  examples: Examples
  logits: jax.Array
  outputs: dict[str, jax.Array]
  norms: jax.Array | None = None

  @property
  def images(self) -> PyTree:
    """Before augmentation."""
    return self.examples.images

  @property
  def labels(self) -> jax.Array:
    """Classes, `[B]`."""
    return self.examples.labels

  @property
  def squared_norms(self) -> jax.Array:
    """Of the gradient of each example's logits, or their sum, at its image, `[B]`."""
    if self.norms is None:
      raise AttributeError(
        "squared_norms: the module has to say NEEDS = ('real_gradient',) or ('fake_gradient',)"
      )
    return self.norms

  def one_in(self, count: int) -> 'Judged':
    """One example in `count` of them, the same ones however the batch is divided."""
    return jax.tree.map(lambda x: x[::count], self)


def judge(
  recipe: Recipe, module: nn.Module, params: PyTree, mutable: PyTree, seen: Examples, strength: Any
) -> tuple[jax.Array, dict[str, jax.Array], PyTree]:
  """Augments and judges examples; returns logits, further outputs, updated collections."""
  images = recipe.augmentation(seen.draws, seen.images, strength)
  result, mutable = apply(module, params, mutable, images, seen.labels)
  outputs = dict(result) if isinstance(result, dict) else {'logits': result}
  return outputs.pop('logits'), outputs, mutable


class BothJudged(NamedTuple):
  """Reals and fakes as the discriminator's update first judges them.

  Attributes:
    real: the reals, with squared norms where a regulariser needs them.
    fake: the fakes, likewise.
    mutable: collections that the forward pass updated.
    gradients: of the loss by the weights, to be added up; None where the loss has to be
      differentiated because no backward pass was shared.
  """

  real: Judged
  fake: Judged
  mutable: PyTree
  gradients: list[PyTree] | None


def judge_both(
  recipe: Recipe,
  group: tuple[Regulariser, ...],
  player: Player,
  real: Examples,
  fake: Examples,
  strength: jax.Array,
  share: bool = True,
) -> BothJudged:
  """Judges reals and fakes, in one call unless only one half is penalised.

  Args:
    recipe: of the step.
    group: the regularisers that will look at the result.
    player: the discriminator.
    real: this device's reals.
    fake: this device's fakes.
    strength: of the augmentation.
    share: use the penalties' backward pass for the loss, where that can be.
  """
  discriminator = recipe.discriminator
  needs = [any(r.needs(f'{half}_gradient') for r in group) for half in ('real', 'fake')]
  calls = [(discriminator, real, needs[0]), (discriminator, fake, needs[1])]
  if needs[0] == needs[1]:
    calls = [(discriminator.for_parts(2), join(real, fake), needs[0])]
  # The penalties' backward pass, begun with the loss's slopes, is the loss's own as well.
  one_backward_pass = share and any(needs) and getattr(discriminator, 'piecewise_linear', False)
  passes = _passes(recipe, player, calls, strength, one_backward_pass)
  one_backward_pass = one_backward_pass and all(
    each.logits.ndim == 1 and not each.outputs for each in passes
  )
  halves = lambda rows: jnp.split(jnp.concatenate(rows), 2)  # of reals, of fakes
  logits, mutable = halves([each.logits for each in passes]), passes[-1].mutable
  slopes = [jnp.ones_like(x) for x in logits]
  if one_backward_pass:
    slopes = jax.grad(lambda pair: recipe.d_loss(*pair).mean())(logits)
  slopes = jnp.split(jnp.concatenate(slopes), len(calls))
  gradients, norms = [], []
  for each, slope, (*_, penalised) in zip(passes, slopes, calls, strict=True):
    if each.pull_back is not None and (one_backward_pass or penalised):
      gradient, norm = zero_centred(each.pull_back, slope)
      gradients.append(gradient)
    # Zeros rather than a norm that counts for nothing: it would be differentiated all the same.
    norms.append(norm if penalised else jnp.zeros(slope.shape[0]))
  norms = halves(norms)
  outputs = {name: halves([each.outputs[name] for each in passes]) for name in passes[0].outputs}
  judged = [
    Judged(
      seen,
      logits[i],
      {name: pair[i] for name, pair in outputs.items()},
      norms[i] if needs[i] else None,
    )
    for i, seen in enumerate((real, fake))
  ]
  return BothJudged(judged[0], judged[1], mutable, gradients if one_backward_pass else None)


class _Pass(NamedTuple):
  """One call of the discriminator, with the way back where it is prepared."""

  logits: jax.Array
  outputs: dict[str, jax.Array]
  mutable: PyTree
  pull_back: PullBack | None


def _passes(
  recipe: Recipe,
  player: Player,
  calls: list[tuple[nn.Module, Examples, bool]],
  strength: jax.Array,
  differentiable: bool,
) -> list[_Pass]:
  """Calls the discriminator on examples in turn; each takes the collections of the one before.

  Args:
    recipe: of the step.
    player: the discriminator.
    calls: module, examples, and whether their gradient is penalised.
    strength: of the augmentation.
    differentiable: prepare the way back of all calls, not of the penalised ones alone.
  """
  passes, mutable = [], player.mutable
  for module, seen, penalised in calls:

    def score(params: PyTree, images: PyTree, module=module, seen=seen, mutable=mutable):  # type: ignore[no-untyped-def]
      seen = seen._replace(images=images)
      logits, *others = judge(recipe, module, params, mutable, seen, strength)
      return logits, tuple(others)

    pull_back = None
    if differentiable or penalised:
      logits, pull_back, aux = jax.vjp(score, player.params, seen.images, has_aux=True)
    else:
      logits, aux = score(player.params, seen.images)
    outputs, mutable = aux
    passes.append(_Pass(logits, outputs, mutable, pull_back))
  return passes


def join(first: Examples, second: Examples) -> Examples:
  """Joins examples, one after the other; latents are left out."""
  pair = first._replace(latents=None), second._replace(latents=None)
  return jax.tree.map(lambda a, b: jnp.concatenate([a, b]), *pair)
