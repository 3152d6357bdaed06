"""LeCam regularisation (Tseng et al. 2021, arXiv:2104.03310, Eq. 5)."""

import dataclasses

import flax.struct
import jax
import jax.numpy as jnp
from flax import linen as nn

from gan_jax.runtime.tree import PyTree
from gan_jax.training.about import Run
from gan_jax.training.view import DiscriminatorView

WHOLE_BATCH = True


@dataclasses.dataclass(frozen=True)
class Settings:
  """Settings of LeCam regularisation.

  Attributes:
    weight: λ. The term is a square of logits, so that it has to be as small as these are large: 0.3
      with a hinge loss and spectral normalisation, 3e-7 to 1e-6 with the logistic loss.
    decay: of the moving averages, a step.
    start_images: real images before which the averages only follow the batch.
  """

  weight: float = 0.3
  decay: float = 0.99
  start_images: float = 0.0


class State(flax.struct.PyTreeNode):
  """Moving averages of the mean logits, scalars, and the weight that they have gathered."""

  real: jax.Array
  fake: jax.Array
  gathered: jax.Array


def initial_state(settings: Settings) -> State:
  """Nothing gathered."""
  del settings
  return State(*jnp.zeros((3,)))


def discriminator(view: DiscriminatorView, settings: Settings) -> tuple[jax.Array, PyTree]:
  """relu(real − a_f)² + relu(a_r − fake)² of the logits, `[B]` or `[B, n]`.

  The averages a_r and a_f, freed of their start at zero, are moved by this batch first and are
  constants of the term.
  """
  means = [view.mean(x.reshape(len(x), -1).mean(1)) for x in (view.real.logits, view.fake.logits)]
  means = jax.lax.stop_gradient(means)
  decay = jnp.where(view.shown < settings.start_images, 0.0, settings.decay)
  moved = State(
    *(
      new + decay * (old - new)
      for old, new in zip(
        (view.state.real, view.state.fake, view.state.gathered), (*means, 1.0), strict=True
      )
    )
  )
  real_average, fake_average = moved.real / moved.gathered, moved.fake / moved.gathered
  above = nn.relu(view.real.logits - fake_average)
  below = nn.relu(real_average - view.fake.logits)
  started = view.shown >= settings.start_images
  return jnp.where(started, jnp.square(above) + jnp.square(below), 0.0), moved


def check(about: Run, settings: Settings) -> None:
  """Refuses a weight that unbounded logits make far too large."""
  logistic = about.loss in ('nonsaturating', 'saturating', 'relativistic', 'relativistic_average')
  if logistic and not about.spectral and settings.weight > 1e-2:
    about.refuse(
      f'weight {settings.weight:g} with loss {about.loss} and no spectral normalisation: the term '
      'is a square of logits that nothing bounds; accepted: up to 0.01 (published: 3e-7 to 1e-6), '
      'or loss.name=hinge with spectral normalisation'
    )
