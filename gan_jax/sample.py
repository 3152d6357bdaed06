"""Writes images out of a trained generator."""

import math
import os

import numpy as np

from gan_jax.errors import UserError
from gan_jax.runtime.tree import PyTree
from gan_jax.sampling.grid import grid, save_image
from gan_jax.sampling.sampler import Sampler


def parse_classes(text: str, num_classes: int) -> list[int]:
  """Reads `0,1,2`; '' means every class.

  Raises:
    UserError: for anything but classes of the model.
  """
  if not text:
    return list(range(num_classes)) if num_classes else [0]
  if not num_classes:
    raise UserError(f'--classes={text}: the model is unconditional; leave --classes out')
  try:
    classes = [int(part) for part in text.split(',')]
  except ValueError:
    classes = [-1]
  if not all(0 <= c < num_classes for c in classes):
    raise UserError(
      f'--classes={text}: accepted are numbers from 0 to {num_classes - 1}, separated by commas'
    )
  return classes


def write_samples(
  sampler: Sampler,
  variables: PyTree,
  *,
  count: int,
  classes: list[int],
  seed: int,
  truncation: float,
  out: str,
) -> None:
  """Writes a grid where `out` ends in .png, else one PNG an image, `<index>_<class>.png`.

  A grid of several classes has a row for each; the images go through the classes in turn.

  Raises:
    UserError: for arguments out of range or a place that cannot be written.
  """
  if count < 1:
    raise UserError(f'--count={count}: must be at least 1')
  as_grid = out.lower().endswith('.png')
  labels = np.array([classes[i % len(classes)] for i in range(count)], np.int32)
  columns = math.ceil(math.sqrt(count))
  if as_grid and len(classes) > 1:
    labels = np.sort(labels, kind='stable')
    columns = math.ceil(count / len(classes))
  try:
    os.makedirs(os.path.dirname(out) or '.' if as_grid else out, exist_ok=True)
    index = 0
    kept = []
    for images in sampler.draw(variables, labels, seed, truncation):
      if as_grid:
        kept.append(images)
        continue
      for image in images:
        save_image(os.path.join(out, f'{index:06d}_{labels[index]}.png'), image)
        index += 1
    if as_grid:
      save_image(out, _class_rows(np.concatenate(kept), labels, columns))
  except OSError as error:
    raise UserError(f'--out={out}: cannot be written: {error.strerror}') from error


def _class_rows(images: np.ndarray, labels: np.ndarray, columns: int) -> np.ndarray:
  """A grid in which every class begins a row."""
  present = list(dict.fromkeys(labels.tolist()))
  if len(present) == 1:
    return grid(images, columns)
  rows = []
  for label in present:
    row = images[labels == label]
    blank = np.zeros((columns - len(row), *row.shape[1:]), row.dtype)
    rows.append(np.concatenate([row, blank]))
  return grid(np.concatenate(rows), columns)
