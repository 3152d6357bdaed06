"""How the discriminator judges images, once for the loss and for all regularisers.

Images may be a tree (several levels or resolutions): nothing here looks inside.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from gan_jax.runtime.tree import PyTree
from gan_jax.training.player import apply
from gan_jax.training.recipe import Recipe, Regulariser
from gan_jax.training.state import Player

PullBack = Callable[[jax.Array], tuple[PyTree, PyTree]]
"""Maps cotangents of logits to those of weights and of images, `jax.vjp`'s second result."""

# A slope of zero could not be divided by. What stands for it adds to the weights' gradient far less
# than rounding does.
_LEAST_SLOPE = 1e-20


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


def squared_norms(tree: PyTree) -> jax.Array:
  """Sums of squares of each example, `[B]`, of a tree of `[B, ...]`."""
  # float32: a sum of squares over thousands of pixels loses its small terms in bfloat16.
  sums = [
    jnp.sum(jnp.square(x.astype(jnp.float32)), axis=tuple(range(1, x.ndim)))
    for x in jax.tree.leaves(tree)
  ]
  return sum(sums[1:], sums[0])


def zero_centred(pull_back: PullBack, slopes: jax.Array) -> tuple[PyTree, jax.Array]:
  """Squared norm of the gradient of each logit at its image, and the weights' gradient beside it.

  At real images this is R1, at generated ones R2 (Mescheder et al. 2018, arXiv:1801.04406, Eq. 9
  and 10), without the factor γ/2.

  Where each logit depends on its own image alone, any slopes give the same norms. With those of the
  loss by the logits, the backward pass that the norms need is the one that the loss needs: its
  result for the weights is the gradient of the loss. If the network is piecewise linear as well,
  differentiating the norms never goes back through the forward pass, so that loss and penalty
  together take five passes over the network where one after the other takes six: forward, backwards
  to the images, to the weights, and the derivative of the second by both of its arguments.

  Args:
    pull_back: `jax.vjp`'s, of `(weights, images [B, H, W, C]) -> logits [B]` or `[B, n]`.
    slopes: what the logits are weighted with, of their shape, not differentiated; ones where a
      logit depends on other images as well or an example has several.

  Returns:
    The gradient of `sum(slopes * logits)` by the weights, and the squared norms `[B]`, squares
    summed over all but the first axis.
  """
  slopes = jax.lax.stop_gradient(slopes)
  slopes = jnp.where(jnp.abs(slopes) < _LEAST_SLOPE, _LEAST_SLOPE, slopes)
  by_weights, at_images = pull_back(slopes)
  if slopes.ndim == 1:
    divide = lambda x: x.astype(jnp.float32) / slopes.reshape(-1, *[1] * (x.ndim - 1))
    at_images = jax.tree.map(divide, at_images)
  return by_weights, squared_norms(at_images)


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
  params, mutable = player.params, player.mutable
  needs = [any(r.needs(f'{half}_gradient') for r in group) for half in ('real', 'fake')]
  calls = [(discriminator, real, needs[0]), (discriminator, fake, needs[1])]
  if needs[0] == needs[1]:
    calls = [(discriminator.for_parts(2), join(real, fake), needs[0])]
  # The penalties' backward pass, begun with the loss's slopes, is the loss's own as well.
  one_backward_pass = share and any(needs) and getattr(discriminator, 'piecewise_linear', False)
  passes = []
  for module, seen, penalised in calls:

    def score(params: PyTree, images: PyTree, module=module, seen=seen, mutable=mutable):  # type: ignore[no-untyped-def]
      seen = seen._replace(images=images)
      logits, *others = judge(recipe, module, params, mutable, seen, strength)
      return logits, tuple(others)

    pull_back = None
    if one_backward_pass or penalised:
      logits, pull_back, (outputs, mutable) = jax.vjp(score, params, seen.images, has_aux=True)
    else:
      logits, (outputs, mutable) = score(params, seen.images)
    passes.append((logits, outputs, pull_back))
  one_backward_pass = one_backward_pass and all(x.ndim == 1 and not o for x, o, _ in passes)
  halves = lambda rows: jnp.split(jnp.concatenate(rows), 2)  # of reals, of fakes
  logits = halves([logits for logits, *_ in passes])
  slopes = [jnp.ones_like(x) for x in logits]
  if one_backward_pass:
    slopes = jax.grad(lambda pair: recipe.d_loss(*pair).mean())(logits)
  slopes = jnp.split(jnp.concatenate(slopes), len(calls))
  gradients, norms = [], []
  for (_, _, pull_back), slope, (*_, penalised) in zip(passes, slopes, calls, strict=True):
    if pull_back is not None and (one_backward_pass or penalised):
      gradient, norm = zero_centred(pull_back, slope)
      gradients.append(gradient)
    # Zeros rather than a norm that counts for nothing: it would be differentiated all the same.
    norms.append(norm if penalised else jnp.zeros(slope.shape[0]))
  norms = halves(norms)
  outputs = {name: halves([o[name] for _, o, _ in passes]) for name in passes[0][1]}
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


def join(first: Examples, second: Examples) -> Examples:
  """Joins examples, one after the other; latents are left out."""
  pair = first._replace(latents=None), second._replace(latents=None)
  return jax.tree.map(lambda a, b: jnp.concatenate([a, b]), *pair)
