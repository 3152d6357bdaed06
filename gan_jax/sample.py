"""Writes images out of a trained generator."""

import math
import os
import re
from collections.abc import Sequence

import numpy as np
from PIL import Image

from gan_jax.errors import UserError, nearest
from gan_jax.runtime.tree import PyTree
from gan_jax.sampling.grid import grid, save_image
from gan_jax.sampling.sampler import Sampler


def parse_classes(text: str, num_classes: int, names: Sequence[str] = ()) -> list[int]:
  """Reads `0,1,2` or `cat,dog`; '' means every class.

  Args:
    text: numbers or names, with commas between.
    num_classes: of the model.
    names: of the classes, in their order. A name comes before a number that looks like it.

  Raises:
    UserError: for anything but classes of the model.
  """
  if not text:
    return list(range(num_classes)) if num_classes else [0]
  if not num_classes:
    raise UserError(f'--classes={text}: the model is unconditional; leave --classes out')
  places = {name: place for place, name in enumerate(names)}
  parts = [text] if text in places else [part.strip() for part in text.split(',')]
  classes = []
  for part in parts:
    number = int(part) if part.isdecimal() else -1
    if part in places:
      classes.append(places[part])
    elif number in range(num_classes):
      classes.append(number)
    else:
      known = f', or names: {nearest(part, names)}' if names else ''
      raise UserError(
        f'--classes={text}: {part!r} is no class; accepted: 0 to {num_classes - 1}{known}'
      )
  return classes


def check_out(out: str, overwrite: bool) -> None:
  """Raises UserError for a place that samples cannot go to, before they are drawn.

  Args:
    out: FILE.png, or a folder.
    overwrite: write into a folder that has something in it.
  """
  ending = os.path.splitext(out)[1].lower()
  if ending in Image.registered_extensions() and ending != '.png':
    raise UserError(f'--out={out}: accepted: FILE.png for a grid, or a folder')
  if ending != '.png' and os.path.isdir(out) and os.listdir(out) and not overwrite:
    raise UserError(
      f'--out={out}: there is something in it, which would be mixed with the samples; accepted: '
      'another folder, or --overwrite'
    )


def write_samples(
  sampler: Sampler,
  variables: PyTree,
  *,
  count: int,
  classes: list[int],
  seed: int,
  truncation: float,
  out: str,
  names: Sequence[str] = (),
) -> None:
  """Writes a grid where `out` ends in .png, else one PNG an image, `<index>_<class>.png`.

  A class is written by its name of `names`, characters that file systems dislike left out, where
  these tell all classes apart; else by its number.

  A grid of several classes has a row for each; the images go through the classes in turn.

  Raises:
    UserError: for arguments out of range or a place that cannot be written.
  """
  if count < 1:
    raise UserError(f'--count={count}: must be at least 1')
  if not math.isfinite(truncation) or truncation < 0:
    raise UserError(f'--truncation={truncation}: accepted: numbers from 0')
  called = _file_names(names)
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
        save_image(
          os.path.join(out, f'{index:06d}_{called.get(int(labels[index]), labels[index])}.png'),
          image,
        )
        index += 1
    if as_grid:
      save_image(out, _class_rows(np.concatenate(kept), labels, columns))
  except OSError as error:
    raise UserError(f'--out={out}: cannot be written: {error.strerror}') from error


def _file_names(names: Sequence[str]) -> dict[int, str]:
  """What each class is called in a file's name; {} where two would be called the same."""
  called = [re.sub(r'[^\w-]+', '_', name).strip('_')[:60] for name in names]
  return dict(enumerate(called)) if all(called) and len(set(called)) == len(called) else {}


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
