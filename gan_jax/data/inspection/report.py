"""Shows an inspection on the terminal, or writes it as one page or one picture."""

import io
import os
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gan_jax.data.inspection import fonts, page
from gan_jax.data.inspection.inspect import Inspection
from gan_jax.data.inspection.text import findings, overlap_rows, plain, split_rows, unreadable_rows
from gan_jax.errors import UserError
from gan_jax.text import say

_MAX_UNREADABLE = 10  # unreadable images listed on the terminal
_CELL = 72  # pixels of an image of the sheet, with its margin
_COLUMNS = 8
_DPI = 100
_LONGEST = 24  # characters of a class name on the sheet


def show(inspection: Inspection, console: Console | None = None) -> None:
  """Prints tables and, last, what should be looked into."""
  console = console or Console()
  splits = [plain(split.name) for split in inspection.splits]
  _table(
    console,
    plain(inspection.name),
    ['', *splits],
    [[heading, *cells] for heading, cells in split_rows(inspection)],
  )
  if len(splits) > 1:
    titles = ['split', 'and', 'exact copies', 'near-duplicates', 'groups in both']
    _table(console, 'In two splits', titles, overlap_rows(inspection), texts=2)
  rows = [row for row in inspection.sheet if row.label >= 0]
  if rows:
    cut = len(inspection.class_names) - len(rows)
    title = f'Images of each class (without {cut:,} in between)' if cut else 'Images of each class'
    counts = [
      [plain(row.title), *(f'{split.class_counts[row.label]:,}' for split in inspection.splits)]
      for row in rows
    ]
    _table(console, title, ['class', *splits], counts)
  unreadable = unreadable_rows(inspection)
  if unreadable:
    lines = unreadable[:_MAX_UNREADABLE]
    title = f'Unreadable: the first {len(lines)} of {len(unreadable):,}'
    _table(console, title, ['split', 'row', 'name', 'why'], lines, texts=4)
  found = findings(inspection)
  for sentence in found:
    console.print(Text(f'! {sentence}'), soft_wrap=True)  # one line each when piped
  if not found:
    console.print(Text('Nothing found that stands in the way of training.'))


def _table(
  console: Console, title: str, columns: list[str], rows: list[list[str]], texts: int = 1
) -> None:
  """Prints a table whose first `texts` columns are words; nothing in it is read as markup."""
  table = Table(title=Text(title), title_justify='left')
  for place, column in enumerate(columns):
    table.add_column(Text(column), justify='left' if place < texts else 'right')
  for row in rows:
    table.add_row(*map(Text, row))
  console.print(table)


def check(path: str) -> None:
  """Raises UserError for an ending that `write` does not know, before anything is looked at."""
  if os.path.splitext(path)[1].lower() not in ('.html', '.png'):
    raise UserError(f'--out={path}: must end in .html or .png')


def write(inspection: Inspection, path: str) -> None:
  """Writes a self-contained page (.html) or a contact sheet with class counts (.png).

  Raises:
    UserError: for another ending, or a place that cannot be written.
  """
  check(path)
  data = page.page(inspection).encode() if path.lower().endswith('.html') else sheet(inspection)
  temporary = f'{path}.{os.getpid()}.tmp'
  try:
    os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
    with open(temporary, 'wb') as file:
      file.write(data)
    os.replace(temporary, path)
  except OSError as error:
    raise UserError(f'--out={path}: cannot be written: {error.strerror}') from error


def sheet(inspection: Inspection) -> bytes:
  """Draws a row of images for each class, beside its counts, as PNG.

  Names are drawn in fonts of this machine that have their letters; letters that none has are boxes.
  """
  names = [plain(name, _LONGEST) for name in (inspection.name, *inspection.class_names)]
  with fonts.drawing(names) as missing:
    if missing:
      say(f'! no font here has {missing[:20]!r}: boxes in the picture; --out=FILE.html shows them')
    return _draw_sheet(inspection)


def _draw_sheet(inspection: Inspection) -> bytes:
  # Imported here: it takes a second, and only the picture needs it.
  from matplotlib.backends.backend_agg import FigureCanvasAgg
  from matplotlib.figure import Figure

  lines = _lines(inspection)
  with_bars = bool(inspection.class_names)
  names = [plain(title, _LONGEST) for title, _, _ in lines]
  left = 0.35 + 0.085 * max([len(name) for name in names], default=0)  # inches
  width, height = _COLUMNS * _CELL / _DPI, max(len(lines), 1) * _CELL / _DPI
  bars = 3.0 if with_bars else 0.0
  total_width, total_height = left + width + bars + 0.3, height + 1.1
  figure = Figure(figsize=(total_width, total_height), dpi=_DPI)
  place = lambda x, w: (x / total_width, 0.3 / total_height, w / total_width, height / total_height)
  axes = figure.add_axes(place(left, width))
  axes.imshow(_mosaic(inspection, lines), aspect='auto', extent=(0, _COLUMNS, len(lines), 0))
  axes.set_xticks([])
  axes.set_yticks(np.arange(len(lines)) + 0.5, names)
  axes.tick_params(length=0)
  axes.spines[:].set_visible(False)
  if with_bars:
    beside = figure.add_axes(place(left + width + 0.1, bars - 0.2))
    _bars(beside, inspection, [label for _, label, _ in lines])
  counts = ', '.join(f'{plain(s.name)} {s.inspected:,}' for s in inspection.splits)
  header = f'{plain(inspection.name)}: images in {counts}'
  figure.text(0.15 / total_width, 1 - 0.3 / total_height, header, va='center', fontsize=12)
  file = io.BytesIO()
  FigureCanvasAgg(figure).print_png(file)
  return file.getvalue()


def _lines(inspection: Inspection) -> list[tuple[str, int, list[np.ndarray]]]:
  """Title, label and pictures of each line of the sheet; a long row goes on without a title."""
  lines = []
  for row in inspection.sheet:
    pictures = [inspection.pictures[e.split, e.row] for e in row.examples]
    for start in range(0, max(len(pictures), 1), _COLUMNS):
      title = '' if start else row.title
      lines.append((title, row.label, pictures[start : start + _COLUMNS]))
  return lines


def _mosaic(inspection: Inspection, lines: list[tuple[str, int, list[np.ndarray]]]) -> np.ndarray:
  """The images of the sheet, uint8 `[rows * cell, columns * cell, 3]`, on white."""
  mosaic = Image.new('RGB', (_COLUMNS * _CELL, max(len(lines), 1) * _CELL), 'white')
  room = _CELL - 4
  for y, (_, _, pictures) in enumerate(lines):
    for x, pixels in enumerate(pictures):
      mosaic.paste(_on_checks(pixels, room), (x * _CELL + 2, y * _CELL + 2))
  return np.asarray(mosaic)


def _on_checks(pixels: np.ndarray, room: int) -> Image.Image:
  """An RGBA image in the middle of a white square, over a checkerboard where it is transparent."""
  image = Image.fromarray(pixels)
  scale = room / max(image.size)
  size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
  image = image.resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BILINEAR)
  y, x = np.indices((size[1], size[0])) // 6
  checks = np.where((x + y) % 2, 215, 245).astype(np.uint8)
  shown = Image.fromarray(checks).convert('RGBA')
  shown.alpha_composite(image)
  square = Image.new('RGB', (room, room), 'white')
  square.paste(shown.convert('RGB'), ((room - size[0]) // 2, (room - size[1]) // 2))
  return square


def _bars(axes: Any, inspection: Inspection, labels: list[int]) -> None:
  """Draws how many images each class has, one bar a split above the other."""
  splits = inspection.splits
  thick = 0.8 / len(splits)
  largest = max((split.class_counts[label] for split in splits for label in labels), default=0)
  for place, split in enumerate(splits):
    counts = [split.class_counts[label] for label in labels]
    at = np.arange(len(labels)) + 0.1 + thick * (place + 0.5)
    drawn = axes.barh(at, counts, 0.9 * thick, label=plain(split.name, _LONGEST))
    axes.bar_label(drawn, [f'{n:,}' for n in counts], padding=3, fontsize=min(8, 40 * thick))
  axes.set_xlim(0, max(largest, 1) * 1.2)
  axes.set_ylim(len(labels), 0)
  axes.set_xticks([])
  axes.set_yticks([])
  axes.spines[['top', 'right', 'bottom']].set_visible(False)
  legend = axes.legend(
    loc='lower left', bbox_to_anchor=(0, 1), ncols=3, frameon=False, fontsize=8, borderpad=0.1
  )
  for text in legend.get_texts():
    text.set_parse_math(False)
