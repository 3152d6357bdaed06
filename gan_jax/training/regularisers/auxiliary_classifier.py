"""The auxiliary classifier of AC-GAN (Odena et al. 2017, arXiv:1610.09585, Eq. 3)."""

import dataclasses

import jax
import optax

from gan_jax.training.about import Run
from gan_jax.training.judging import Judged
from gan_jax.training.view import DiscriminatorView, GeneratorView

TRAINS_CLASSIFIER = True


@dataclasses.dataclass(frozen=True)
class Settings:
  """Settings of the auxiliary classifier.

  Attributes:
    weight: factor on the cross-entropy of the reals in the discriminator, and of the fakes in the
      generator.
    fake_share: factor on that of the fakes in the discriminator, over the weight (paper: 1).
  """

  weight: float = 1.0
  fake_share: float = 1.0


def discriminator(view: DiscriminatorView, settings: Settings) -> jax.Array:
  """−log p(class) of reals, and of fakes times their share, `[B]`."""
  loss = _cross_entropy(view.real)
  return loss + settings.fake_share * _cross_entropy(view.fake) if settings.fake_share else loss


def generator(view: GeneratorView, settings: Settings) -> jax.Array:
  """−log p(class) of fakes, `[B]`."""
  del settings
  return _cross_entropy(view.fake)


def _cross_entropy(judged: Judged) -> jax.Array:
  logits = judged.outputs['class_logits']
  return optax.softmax_cross_entropy_with_integer_labels(logits, judged.labels)


def check(about: Run, settings: Settings) -> None:
  """Refuses a discriminator without a classifier."""
  del settings
  if 'class_logits' not in about.outputs:
    about.refuse(
      'the discriminator returns no class_logits; accepted: model.conditional=True with '
      'discriminator_condition=classifier in the section of the model'
    )
