"""Which images are drawn: the seed, the place and the class of each."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from gan_jax.errors import UserError
from gan_jax.sampling import programs
from gan_jax.sampling.about import Recipe
from gan_jax.sampling.model import Model

_MOST = 1_000_000  # seeds of a list
_RANGE = re.compile(r'(\d{1,10})(?:-(\d{1,10}))?')


class Plan(NamedTuple):
  """Images to be drawn, one a row.

  Attributes:
    model: that draws them.
    seeds: of the latent of each.
    places: of each among the images of its seed, int32 `[N]`.
    labels: int32 `[N]`.
    truncation: see `Model.images`.
  """

  model: Model
  seeds: tuple[int, ...]
  places: np.ndarray
  labels: np.ndarray
  truncation: float

  def latents(self) -> np.ndarray:
    """The latents, float32 `[N, z]`."""
    return programs.latents(self.seeds, self.places, self.model.z_dim)

  def images(self) -> Iterator[np.ndarray]:
    """Yields the images one by one, `[H, W, C]`."""
    batches = self.model.batches(self.latents(), self.labels, truncation=self.truncation)
    return (image for batch in batches for image in batch)

  def class_name(self, row: int) -> str:
    """The name of a row's class, or its number; '' of an unconditional model."""
    return self.model.class_name(int(self.labels[row]))

  def recipe(self, row: int) -> Recipe:
    """What the file of an image says of it."""
    of_class = {'Class': self.class_name(row)} if self.model.num_classes else {}
    return {
      **self.model.recipe(),
      **{'Seed': str(self.seeds[row]), 'Index': str(self.places[row])},
      **of_class,
      'Truncation': truncation_text(self.model, self.truncation),
    }

  def whole_recipe(self) -> Recipe:
    """What the file of all images together says of them."""
    classes = dict.fromkeys(map(self.model.class_name, self.labels.tolist()))
    of_class = {'Classes': ', '.join(classes)} if self.model.num_classes else {}
    return {
      **self.model.recipe(),
      **{'Seeds': spell_seeds(self.seeds), 'Images': str(len(self.seeds))},
      **of_class,
      'Truncation': truncation_text(self.model, self.truncation),
    }


def plan(
  model: Model,
  seeds: int | Sequence[int],
  count: int,
  turn: Sequence[int],
  truncation: float = 1.0,
  every_class: bool = False,
) -> Plan:
  """Plans images of one seed, or of many.

  Args:
    model: that draws them.
    seeds: one, of which so many images as `count` are drawn; or several, of each of which the first
      image is.
    count: images of the one seed.
    turn: labels that the images go through in turn.
    truncation: see `Model.images`.
    every_class: draw every latent in each class instead, class by class.

  Raises:
    UserError: for a count below 1.
  """
  if count < 1:
    raise UserError(f'--count={count}: must be at least 1')
  if isinstance(seeds, int):
    each, places = (seeds,) * count, np.arange(count, dtype=np.int32)
  else:
    each, places = tuple(seeds), np.zeros(len(seeds), np.int32)
  labels = np.resize(np.array(turn, np.int32), len(each))
  if every_class:
    classes = np.array(list(dict.fromkeys(turn)), np.int32)
    labels = np.repeat(classes, len(each))
    each, places = each * len(classes), np.tile(places, len(classes))
  return Plan(model, each, places, labels, truncation)


def read_seeds(text: str) -> list[int]:
  """Reads `0-9,15`.

  Raises:
    UserError: for anything but whole numbers and rising ranges.
  """
  seeds: list[int] = []
  for part in text.split(','):
    match = _RANGE.fullmatch(part.strip())
    first = int(match[1]) if match else 1
    last = int(match[2] or first) if match else 0
    if not first <= last < 2**32:
      raise UserError(
        f'--seeds={text}: {part.strip()!r}: accepted: numbers and ranges, such as 0-9,15, '
        'below 4294967296'
      )
    if len(seeds) + last - first >= _MOST:
      raise UserError(f'--seeds={text}: accepted: at most {_MOST:,} seeds')
    seeds += range(first, last + 1)
  return seeds


def spell_seeds(seeds: Sequence[int]) -> str:
  """Writes seeds as `read_seeds` reads them, each once."""
  parts: list[list[int]] = []
  for seed in dict.fromkeys(seeds):
    if parts and seed == parts[-1][1] + 1:
      parts[-1][1] = seed
    else:
      parts.append([seed, seed])
  return ','.join(f'{first}' if first == last else f'{first}-{last}' for first, last in parts)


def truncation_text(model: Model, truncation: float) -> str:
  """A truncation, with what it is a share of."""
  how = 'of the way of w from its mean' if model.has_mean else 'times the latent'
  return f'{truncation:g}' if truncation == 1 else f'{truncation:g} {how}'
