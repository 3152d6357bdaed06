"""What a part of the step may know of a run before it begins, to refuse what does not fit."""

from typing import NamedTuple, NoReturn

from gan_jax.errors import UserError


class Run(NamedTuple):
  """A run, as one of its parts is told of it.

  Attributes:
    part: the config key and value that name the part that asks, such as `regularisers='dragan'`.
    loss: name of the loss.
    pairs: whether the loss pairs the i-th real with the i-th fake.
    batch_norm: whether the discriminator normalises by the batch.
    spectral: whether it normalises its weights by their spectral norm.
    outputs: what it returns beside logits, by name.
    pseudo: whether fakes take the place of reals (APA).
    share_batch: whether both players see the same reals and latents.
    accumulate: parts that a batch is cut into.
    num_classes: that the networks are told of; 0: unconditional.
  """

  part: str
  loss: str
  pairs: bool
  batch_norm: bool
  spectral: bool
  outputs: tuple[str, ...]
  pseudo: bool
  share_batch: bool
  accumulate: int
  num_classes: int

  def refuse(self, why: str) -> NoReturn:
    """Raises UserError that names the part and says why it cannot be used."""
    raise UserError(f'config.{self.part}: {why}')

  def refuse_batch_norm(self, why: str) -> None:
    """Refuses a discriminator in which images have a part in each other's logits."""
    if self.batch_norm:
      self.refuse(
        f'{why}, and the discriminator normalises by the batch, where images have a part in each '
        "other's logits; accepted: a discriminator without batch normalisation "
        '(dcgan.discriminator_norm=none or spectral, or another model)'
      )
