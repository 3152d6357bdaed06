"""Writes walks between samples as films, and tables of mixed styles."""

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from gan_jax.errors import UserError
from gan_jax.sampling import film, mixing, programs, walk
from gan_jax.sampling.captions import captioned
from gan_jax.sampling.classes import read_classes
from gan_jax.sampling.grid import enlarged, laid_out, opaque, save_image
from gan_jax.sampling.latent_file import read_latents
from gan_jax.sampling.model import Model
from gan_jax.sampling.plan import spell_seeds, truncation_text
from gan_jax.sampling.walk import Keyframes


class Film(NamedTuple):
  """How a walk is shown.

  Attributes:
    frames: from one keyframe to the next.
    fps: frames a second.
    loop: the walk goes back to where it began.
    easing: of `walk.EASINGS`.
    columns, rows: of walks beside each other; the keyframes are divided among them in order.
    size: shorter side of each image, pixels; None: at least what makes a film of 256.
  """

  frames: int = 30
  fps: float = 30.0
  loop: bool = True
  easing: str = 'linear'
  columns: int = 1
  rows: int = 1
  size: int | None = None


def read_keyframes(
  model: Model,
  seeds: Sequence[int],
  classes: str = '',
  latents: str = '',
  space: str | None = None,
  truncation: float = 1.0,
) -> tuple[Keyframes, dict[str, str]]:
  """Makes keyframes: first those of a file, then those of seeds.

  There are as many of seeds as the longer list has, of seeds or of named classes; the shorter is
  gone through in turn.

  Args:
    model: that draws them.
    seeds: of the latents.
    classes: as `classes.read_classes` has them; '': all in turn, one for each seed.
    latents: path of an .npz, see `latent_file`; '': none.
    space: 'w' or 'z'; None: w where there is one.
    truncation: see `Model.images`.

  Returns:
    The keyframes, and what a film's metadata says of them.

  Raises:
    UserError: for what does not fit the model, or does not go together.
  """
  in_w, found, told = walk.goes_in_w(model, space), [], {}
  if latents:
    kept = read_latents(latents, model)
    if kept.w is not None and not in_w:
      raise UserError(f'--space=z: --latents={latents} holds w; accepted: --space=w')
    if kept.w is not None:
      found.append(Keyframes(kept.w, in_w=True))
    elif kept.z is not None:
      found.append(walk.keyframes(model, kept.z, kept.labels, space, truncation))
    told['Latents'] = os.path.basename(latents)
  if seeds or not latents:
    turn = read_classes(classes, model.num_classes, model.class_names)
    count = max(len(seeds), len(turn) if classes else 0)
    every = np.resize(np.array(seeds, np.int64), count).tolist()
    z = programs.latents(every, np.zeros(count, np.int32), model.z_dim)
    labels = np.resize(np.array(turn, np.int32), count)
    found.append(walk.keyframes(model, z, labels, space, truncation))
    told['Seeds'] = spell_seeds(every)
    if model.num_classes:
      told['Classes'] = ', '.join(dict.fromkeys(map(model.class_name, labels.tolist())))
  elif classes:
    raise UserError(f'--classes={classes}: of keyframes by --seeds; --latents has its own')
  weights = [keys.weights for keys in found if keys.weights is not None]
  points = np.concatenate([keys.points for keys in found])
  keys = Keyframes(points, np.concatenate(weights) if weights else None, in_w)
  return keys, {**told, 'Space': 'w' if in_w else 'z'}


def write_walk(
  model: Model,
  keys: Keyframes,
  out: str,
  shown: Film,
  truncation: float = 1.0,
  told: dict[str, str] | None = None,
) -> int:
  """Writes a film of a walk, or of several beside each other.

  Args:
    model: that makes the images.
    keys: of all walks.
    out: FILE.mp4, FILE.gif or FILE.webp.
    shown: how.
    truncation: see `Model.images`.
    told: further entries of the metadata.

  Returns:
    The number of frames.

  Raises:
    UserError: for numbers out of range or a place that cannot be written.
  """
  film.check(out, shown.fps)
  parts = divided(keys, shown.columns, shown.rows)
  at = walk.times(len(parts[0].points), shown.frames, shown.loop, shown.easing)
  cells = min(shown.columns, shown.rows)
  times = film.factor(out, model.resolution, shown.size, cells)
  recipe = {
    **model.recipe(),
    **(told or {}),
    **{'Frames': str(len(at)), 'Easing': shown.easing, 'Loop': 'yes' if shown.loop else 'no'},
    'Truncation': truncation_text(model, truncation),
  }
  try:
    os.makedirs(os.path.dirname(out) or '.', exist_ok=True)
    film.write_film(
      out,
      frames_of(model, parts, at, shown.columns, truncation),
      times,
      shown.fps,
      shown.loop,
      recipe,
    )
  except OSError as error:
    raise UserError(f'--out={out}: cannot be written: {error.strerror or error}') from error
  return len(at)


def divided(keys: Keyframes, columns: int, rows: int) -> list[Keyframes]:
  """The keyframes of each of several walks, in order.

  Raises:
    UserError: where they cannot be divided, at least two for each.
  """
  cells, count = columns * rows, len(keys.points)
  if columns < 1 or rows < 1:
    raise UserError(f'--grid={columns}x{rows}: accepted: COLUMNSxROWS, such as 3x2')
  if cells > 1 and (count % cells or count < 2 * cells):
    raise UserError(
      f'--grid={columns}x{rows}: {count} keyframes are not {cells} walks; accepted: '
      f'{2 * cells}, {3 * cells}, … keyframes'
    )
  weights = [None] * cells if keys.weights is None else np.split(keys.weights, cells)
  points = np.split(keys.points, cells)
  return [Keyframes(*pair, keys.in_w) for pair in zip(points, weights, strict=True)]


def frames_of(
  model: Model, parts: Sequence[Keyframes], at: np.ndarray, columns: int, truncation: float
) -> Iterator[np.ndarray]:
  """Yields what is seen of walks side by side, uint8 `[H, W, 1 or 3]` a frame."""
  walks = [walk.walk(model, keys, at, truncation) for keys in parts]
  return (laid_out(np.stack(images), columns) for images in zip(*walks, strict=True))


def write_mixing(
  model: Model,
  rows: Sequence[int],
  columns: Sequence[int],
  out: str,
  *,
  layers: str = '',
  classes: str = '',
  truncation: float = 1.0,
  size: int | None = None,
  captions: bool = False,
) -> None:
  """Writes a table of mixed styles, PNG: seeds of the rows left, of the columns on top.

  Args:
    model: whose w has layers.
    rows: seeds.
    columns: seeds, whose w some layers take.
    out: FILE.png.
    layers: these, see `mixing.read_layers`.
    classes: of the rows and of the columns, gone through in turn; '': all.
    truncation: see `Model.images`.
    size: shorter side of each image, pixels; None: as it is.
    captions: write the seeds under the images.

  Raises:
    UserError: for what does not fit the model, or a place that cannot be written.
  """
  if not out.lower().endswith('.png'):
    raise UserError(f'--out={out}: accepted: FILE.png for --style_mixing')
  chosen = mixing.read_layers(layers, mixing.check(model))
  times = film.factor(out, model.resolution, size or min(model.resolution), 1)
  turn = read_classes(classes, model.num_classes, model.class_names)

  def styles(seeds: Sequence[int]) -> np.ndarray:
    z = programs.latents(seeds, np.zeros(len(seeds), np.int32), model.z_dim)
    return model.styles(z, np.resize(np.array(turn, np.int32), len(z)), truncation)

  of_rows, of_columns, table = mixing.table(model, styles(rows), styles(columns), chosen)
  blank = np.full_like(of_rows[:1], np.iinfo(model.dtype).max if captions else 0)
  lines = [blank, of_columns]
  lines += [part for r in range(len(rows)) for part in (of_rows[r : r + 1], table[r])]
  images, width = enlarged(opaque(np.concatenate(lines)), times), len(columns) + 1
  texts = ['', *(f'seed {seed}' for seed in columns)]
  texts += [text for seed in rows for text in (f'seed {seed}', *[''] * len(columns))]
  recipe = {
    **model.recipe(),
    **{'Seeds of rows': spell_seeds(rows), 'Seeds of columns': spell_seeds(columns)},
    **{'Layers of columns': spell_seeds(chosen), 'Truncation': truncation_text(model, truncation)},
  }
  picture = captioned(images, width, texts) if captions else laid_out(images, width)
  try:
    os.makedirs(os.path.dirname(out) or '.', exist_ok=True)
    save_image(out, picture, recipe)
  except OSError as error:
    raise UserError(f'--out={out}: cannot be written: {error.strerror}') from error
