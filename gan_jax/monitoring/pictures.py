"""Grids of images that a run draws while it trains, in its folder `samples`."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from gan_jax.data.source import ImageDataset
from gan_jax.sampling import grid
from gan_jax.sampling.sampler import Sampler


class Pictures:
  """Real images, what the discriminator sees of them, and samples of the same latents each time."""

  def __init__(
    self,
    workdir: str,
    data: ImageDataset,
    sampler: Sampler,
    size: tuple[int, int],
    seed: int,
    conditional: bool,
    augmented: Callable[[np.ndarray], np.ndarray | None],
  ):
    """Draws nothing yet.

    Args:
      workdir: of the run.
      data: that it is trained on.
      sampler: of its generator.
      size: rows and columns; a row is of one class where the model is conditional.
      seed: of the latents.
      conditional: whether the model is given classes.
      augmented: images as the discriminator sees them, or None where it sees them as they are.
    """
    self._folder = os.path.join(workdir, 'samples')
    self._data, self._sampler, self._seed, self._augmented = data, sampler, seed, augmented
    self._conditional = conditional and data.num_classes > 0
    self._columns = size[1]
    self._labels = grid.grid_labels(data.num_classes if self._conditional else 0, *size)
    self._drew_reals = False  # of this start: what it is trained on may have changed

  def has(self, images: int) -> bool:
    """Whether samples after so many images are there: a run that goes on draws none again."""
    return os.path.exists(self._path(images))

  def draw(self, images: int, variables: Any) -> np.ndarray:
    """Draws samples after so many images, and what they stand beside; returns their grid."""
    os.makedirs(self._folder, exist_ok=True)
    self._draw_reals()
    drawn = self._sampler.draw(variables, self._labels, self._seed)
    return self._save(self._path(images), np.concatenate(list(drawn)))

  def _draw_reals(self) -> None:
    if self._drew_reals:
      return
    self._drew_reals = True
    labels = self._labels if self._conditional else None
    images = grid.reals(self._data, labels, len(self._labels))
    self._save(os.path.join(self._folder, 'reals.png'), images)
    seen = self._augmented(images)
    if seen is not None:
      self._save(os.path.join(self._folder, 'augmented.png'), seen)

  def _save(self, path: str, images: np.ndarray) -> np.ndarray:
    first = range(0, len(images), self._columns)  # of each row, whole where the grid scales them
    return grid.save_grid(path, images, self._columns, first)

  def _path(self, images: int) -> str:
    return os.path.join(self._folder, f'{images:012d}.png')
