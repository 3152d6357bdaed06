"""Pure generator and discriminator updates, and the train step made of them.

    reals ──────────────┬──▶ D ─▶ real logits ─┬─▶ d_loss + γ/2 penalties ─▶ update D
    latents ─▶ G ─▶ fakes ─▶ D ─▶ fake logits ─┘
                      └────▶ updated D ─▶ g_loss ─▶ update G ─▶ update its moving average

A step is `step(state, batch) -> (state, metrics)`. Over several devices it runs under an axis name:
losses, gradients and metrics are averaged over it, and nothing else is exchanged but batch
statistics. Latents and augmentations belong to the example's place in the global batch, so that one
device and eight give the same run.
"""

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

import jax
import jax.flatten_util
import jax.numpy as jnp
import optax
from flax import linen as nn

from gan_jax.ops import pixels
from gan_jax.runtime.tree import PyTree
from gan_jax.training import draws, optim, penalties
from gan_jax.training.optim import Schedule
from gan_jax.training.state import Player, TrainState

Batch = dict[str, jax.Array]
Metrics = dict[str, jax.Array]


def make_train_step(
  generator: nn.Module,
  discriminator: nn.Module,
  generator_tx: optax.GradientTransformation,
  discriminator_tx: optax.GradientTransformation,
  loss: ModuleType,
  *,
  batch_size: int,
  share_batch: bool = True,
  flip: bool = False,
  r1_gamma: Schedule | None = None,
  r2_gamma: Schedule | None = None,
  ema_half_life: Schedule,
  ema_ramp: float = 0.0,
  axis_name: str | None = None,
) -> Callable[[TrainState, Batch], tuple[TrainState, Metrics]]:
  """Builds one training step: a discriminator update, then a generator update.

  Args:
    generator: module `(latents [B, z], labels [B], train) -> images [B, H, W, C]`.
    discriminator: module `(images, labels, train) -> logits [B]` with `for_parts(n)`: itself for a
      batch of n parts, one after the other, that have no part in each other's logits. Where its
      `piecewise_linear` is true, loss and penalties share a backward pass.
    generator_tx: optimiser of the generator.
    discriminator_tx: optimiser of the discriminator.
    loss: a module of `gan_jax.training.losses`.
    batch_size: images of one player's update, over all devices of the axis.
    share_batch: both players see the same reals and latents, and the generator's forward pass runs
      once; otherwise the batch holds twice as many examples, of both players in turn.
    flip: mirror reals left-right with probability 1/2.
    r1_gamma: weight of R1 over images shown; None leaves it out of the program.
    r2_gamma: weight of R2, likewise.
    ema_half_life: half-life, in images, of the generator's average over images shown.
    ema_ramp: see `optim.ema_decay`.
    axis_name: mapped axis of devices, or None.

  Returns:
    `step(state, batch)`: `batch` holds `image`, uint8 or uint16 `[b, H, W, C]`, and `label`, int32
    `[b]`, of this device. Metrics are float32 scalars, averaged over devices; `d_finite` and
    `g_finite` are 1 where the player's loss and gradients were all finite.
  """
  pmean = lambda tree: tree if axis_name is None else jax.lax.pmean(tree, axis_name)
  # Reals and fakes in one call, unless only one half is penalised.
  judge_together = (r1_gamma is None) == (r2_gamma is None)
  judging_both = discriminator.for_parts(2)
  # The penalties' backward pass, begun with the loss's slopes, is the loss's own as well.
  penalised = r1_gamma is not None or r2_gamma is not None
  one_backward_pass = penalised and getattr(discriminator, 'piecewise_linear', False)

  def step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
    shown = state.step * float(batch_size)
    keys = _step_keys(state)
    places = draws.places(batch['label'].shape[0], axis_name)
    batch = {'image': pixels.to_model(batch['image']), 'label': batch['label']}
    if flip:
      batch['image'] = _flip(draws.per_example(keys['flip'], places), batch['image'])
    d_batch, g_batch, g_places = batch, batch, places
    if not share_batch:
      d_batch, g_batch = _halves(batch)
      places, g_places = places[::2], places[1::2]

    def generate(params: PyTree, places: jax.Array, labels: jax.Array) -> tuple[Any, PyTree]:
      latents = draws.draw_latents(keys['latent'], places, generator.latent_size)
      return _apply(generator, params, state.generator.mutable, latents, labels)

    def generate_for_g(params: PyTree) -> tuple[Any, PyTree]:
      return generate(params, g_places, g_batch['label'])

    fakes, pull_back, g_mutable = jax.vjp(generate_for_g, state.generator.params, has_aux=True)
    d_fakes = fakes
    if not share_batch:
      d_fakes, _ = generate(state.generator.params, places, d_batch['label'])

    d_player, d_metrics = _update_discriminator(state.discriminator, d_batch, d_fakes, shown)
    g_player, d_mutable, g_metrics = _update_generator(
      state.generator.replace(mutable=g_mutable), d_player, g_batch, fakes, pull_back
    )
    decay = optim.ema_decay(ema_half_life(shown), ema_ramp, shown, batch_size)
    variables = {'params': g_player.params, **g_player.mutable}
    state = TrainState(
      step=state.step + 1,
      rng=state.rng,
      generator=g_player,
      discriminator=d_player.replace(mutable=d_mutable),
      ema=optim.moving_average(state.ema, variables, decay),
    )
    return state, {**d_metrics, **g_metrics}

  def _update_discriminator(
    player: Player, batch: Batch, fakes: jax.Array, shown: jax.Array
  ) -> tuple[Player, Metrics]:
    images, labels = batch['image'], batch['label']
    calls = [(discriminator, images, labels, r1_gamma), (discriminator, fakes, labels, r2_gamma)]
    if judge_together:
      calls = [(judging_both, jnp.concatenate([images, fakes]), jnp.tile(labels, 2), r1_gamma)]
    halves = lambda rows: jnp.split(jnp.concatenate(rows), 2)  # of reals, of fakes

    def objective(params: PyTree) -> tuple[jax.Array, tuple[list[PyTree], PyTree, Metrics]]:
      """The part to be differentiated, and beside it the gradients of the part that is known."""
      mutable, judged = player.mutable, []
      for module, x, y, gamma in calls:
        score = lambda p, x, module=module, m=mutable, y=y: _apply(module, p, m, x, y)
        pull_back = None
        if one_backward_pass or gamma is not None:
          logits, pull_back, mutable = jax.vjp(score, params, x, has_aux=True)
        else:
          logits, mutable = score(params, x)
        judged.append((logits, pull_back))
      logits = halves([logits for logits, _ in judged])
      d_loss = lambda logits: loss.d_loss(*logits).mean()
      slopes = jax.grad(d_loss)(logits) if one_backward_pass else [jnp.ones_like(x) for x in logits]
      slopes = jnp.split(jnp.concatenate(slopes), len(calls))
      gradients, norms = [], []
      for (_, pull_back), slope, (*_, gamma) in zip(judged, slopes, calls, strict=True):
        if pull_back is not None:
          gradient, norm = penalties.zero_centred(pull_back, slope)
          gradients.append(gradient)
        # Zeros rather than a norm that counts for nothing: it would be differentiated all the same.
        norms.append(jnp.zeros_like(slope) if gamma is None else norm)
      adversarial = d_loss(logits)
      metrics = {'d_loss': adversarial}
      metrics['real_logit'], metrics['fake_logit'] = (x.mean() for x in logits)
      value = jnp.zeros(()) if one_backward_pass else adversarial
      for name, gamma, norm in zip(('r1', 'r2'), (r1_gamma, r2_gamma), halves(norms), strict=True):
        if gamma is not None:
          metrics[name] = norm.mean()
          value += gamma(shown) / 2 * metrics[name]
      return value, (gradients if one_backward_pass else [], mutable, metrics)

    grads, (others, mutable, metrics) = jax.grad(objective, has_aux=True)(player.params)
    grads = jax.tree.map(lambda *parts: functools.reduce(jnp.add, parts), grads, *others)
    grads, metrics = pmean((grads, metrics))
    player, metrics['d_grad_norm'] = _descend(player, grads, discriminator_tx)
    metrics['d_finite'] = _finite(metrics['d_loss'], metrics['d_grad_norm'])
    return player.replace(mutable=mutable), metrics

  def _update_generator(
    player: Player,
    opponent: Player,
    batch: Batch,
    fakes: jax.Array,
    pull_back: Callable[[jax.Array], tuple[PyTree]],
  ) -> tuple[Player, PyTree, Metrics]:
    labels = batch['label']
    needs_reals = _uses_real_logits(loss)

    def objective(fakes: jax.Array) -> tuple[jax.Array, tuple[PyTree, Metrics]]:
      mutable = opponent.mutable
      real_logits = jnp.zeros(fakes.shape[0])
      if needs_reals:
        real_logits, mutable = _apply(
          discriminator, opponent.params, mutable, batch['image'], labels
        )
      fake_logits, mutable = _apply(discriminator, opponent.params, mutable, fakes, labels)
      value = loss.g_loss(real_logits, fake_logits).mean()
      return value, (mutable, {'g_loss': value})

    # Differentiating at the images takes no gradient of the discriminator's weights.
    image_grads, (mutable, metrics) = jax.grad(objective, has_aux=True)(fakes)
    (grads,) = pull_back(image_grads)
    grads, metrics = pmean((grads, metrics))
    player, metrics['g_grad_norm'] = _descend(player, grads, generator_tx)
    metrics['g_finite'] = _finite(metrics['g_loss'], metrics['g_grad_norm'])
    return player, mutable, metrics

  return step


def _step_keys(state: TrainState) -> dict[str, jax.Array]:
  key = jax.random.fold_in(jax.random.wrap_key_data(state.rng), state.step)
  return dict(zip(('latent', 'flip'), jax.random.split(key, 2), strict=True))


def _flip(keys: jax.Array, images: jax.Array) -> jax.Array:
  mirror = jax.vmap(jax.random.bernoulli)(keys)
  return jnp.where(mirror[:, None, None, None], images[:, :, ::-1], images)


def _halves(batch: Batch) -> tuple[Batch, Batch]:
  """The even rows for the discriminator and the odd ones for the generator.

  Rows are dealt out rather than cut in the middle, so that it is the same whether the batch is
  divided among the players before it is divided over devices or after.
  """
  deal = lambda start: {name: array[start::2] for name, array in batch.items()}
  return deal(0), deal(1)


# Compiled in itself for the sake of its cache: the discriminator runs several times a step on the
# same shapes, and is traced once.
@functools.partial(jax.jit, static_argnums=0, inline=True)
def _apply(
  module: nn.Module, params: PyTree, mutable: PyTree, x: jax.Array, labels: jax.Array
) -> tuple[jax.Array, PyTree]:
  """Runs a network in training; returns its result and its updated mutable collections."""
  result, updated = module.apply(
    {'params': params, **mutable}, x, labels, train=True, mutable=list(mutable)
  )
  return result, dict(updated)


def _descend(
  player: Player, grads: PyTree, tx: optax.GradientTransformation
) -> tuple[Player, jax.Array]:
  """One optimiser update, and the global norm of the gradient."""
  updates, opt_state = tx.update(grads, player.opt_state, player.params)
  params = optax.apply_updates(player.params, updates)
  # As one vector, the optimiser's own: leaf by leaf there are hundreds of operations to compile.
  vector, _ = jax.flatten_util.ravel_pytree(grads)
  return player.replace(params=params, opt_state=opt_state), jnp.sqrt(jnp.vdot(vector, vector))


def _finite(*values: jax.Array) -> jax.Array:
  return jnp.isfinite(jnp.stack(values)).all().astype(jnp.float32)


def _uses_real_logits(loss: ModuleType) -> bool:
  """Whether the generator's loss depends on the real logits at all.

  Found by tracing, so that a loss says nothing twice and a loss that ignores the reals costs no
  forward pass over them.
  """
  one = jax.ShapeDtypeStruct((1,), jnp.float32)
  jaxpr = jax.make_jaxpr(loss.g_loss)(one, one).jaxpr
  real = jaxpr.invars[0]
  return any(real is v for eqn in jaxpr.eqns for v in eqn.invars) or real in jaxpr.outvars
