"""Style mixing: a table of images with some layers' w of the column and the others' of the row."""

import re

import numpy as np

from gan_jax.errors import UserError
from gan_jax.sampling.model import Model


def read_layers(text: str, layers: int) -> list[int]:
  """Reads `0-3,6`: layers that take the w of the column.

  Args:
    text: numbers and ranges; '': the first half, which has the coarse resolutions.
    layers: of the model.

  Raises:
    UserError: for anything but layers of the model.
  """
  if not text:
    return list(range(max(1, layers // 2)))
  found: set[int] = set()
  for part in text.split(','):
    match = re.fullmatch(r'(\d{1,4})(?:-(\d{1,4}))?', part.strip())
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if not first <= last < layers:
      raise UserError(
        f'--layers={text}: {part.strip()!r}: accepted: numbers and ranges from 0 to {layers - 1}'
      )
    found |= set(range(first, last + 1))
  return sorted(found)


def table(
  model: Model, rows: np.ndarray, columns: np.ndarray, layers: list[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Mixes every row with every column.

  Args:
    model: whose w has layers.
    rows: w `[R, L, w]`.
    columns: w `[C, L, w]`.
    layers: that are of the column.

  Returns:
    Images of the rows `[R, H, W, ch]`, of the columns `[C, ...]` and of the table `[R, C, ...]`.

  Raises:
    UserError: where all layers share one w.
  """
  check(model)
  mixed = np.repeat(rows[:, None], len(columns), axis=1)
  mixed[:, :, layers] = columns[None][:, :, layers]
  every = np.concatenate([rows, columns, mixed.reshape(-1, *model.styles_shape)])
  images = model.images_of_styles(every)
  of_rows, of_columns, of_table = np.split(images, np.cumsum([len(rows), len(columns)]))
  return of_rows, of_columns, of_table.reshape(len(rows), len(columns), *images.shape[1:])


def check(model: Model) -> int:
  """The number of layers that have a w each.

  Raises:
    UserError: where there is none, or one for all.
  """
  if not model.has_styles or len(model.styles_shape) != 2:
    raise UserError(
      f'--style_mixing: {model.name} has no w a layer; accepted: architectures that do, such as '
      'stylegan2'
    )
  return model.styles_shape[0]
