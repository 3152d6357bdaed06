"""An inspection as one HTML page that loads nothing and needs no script."""

import base64
import html
import io

import numpy as np
from PIL import Image

from gan_jax.data.inspection.inspect import Inspection
from gan_jax.data.inspection.split_reader import Example
from gan_jax.data.inspection.text import (
  findings,
  overlap_rows,
  plain,
  split_rows,
  unreadable_rows,
  where,
)

_MAX_PAIRS = 20  # of near-duplicates
_MAX_UNREADABLE = 200

_STYLE = """
:root { color-scheme: light dark; --line: #8886; --bar: #3d7dca; --checks: #8885; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 1rem; max-width: 60rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .7rem; text-align: left;
  vertical-align: top; white-space: pre-line; }
td.bar { min-width: 8rem; width: 100%; }
td.bar span { display: block; height: .8rem; margin: .35rem 0; background: var(--bar);
  min-width: 1px; }
figure { display: inline-block; margin: 0 1rem 1rem 0; vertical-align: top; max-width: 17rem; }
figcaption { font-size: .8rem; overflow-wrap: anywhere; }
img { width: 64px; height: 64px; object-fit: contain; image-rendering: pixelated; margin: 1px;
  background: repeating-conic-gradient(var(--checks) 0 25%, transparent 0 50%) 0 / 12px 12px; }
.row h3 { font-size: .95rem; margin: .6rem 0 .1rem; overflow-wrap: anywhere; }
"""


def page(inspection: Inspection) -> str:
  """Makes the page; every name in it is escaped."""
  name = html.escape(plain(inspection.name))
  found = findings(inspection) or ['Nothing found that stands in the way of training.']
  splits = [split.name for split in inspection.splits]
  parts = [
    '<!doctype html><html lang="en"><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    f'<title>{name}</title><style>{_STYLE}</style>',
    f'<h1>{name}</h1>',
    '<ul>',
    *(f'<li>{html.escape(sentence)}</li>' for sentence in found),
    '</ul>',
    '<h2>Splits</h2>',
    _table(['', *splits], [[heading, *cells] for heading, cells in split_rows(inspection)]),
  ]
  if len(splits) > 1:
    titles = ['split', 'and', 'exact copies', 'near-duplicates', 'groups in both']
    parts += ['<h2>In two splits</h2>', _table(titles, overlap_rows(inspection))]
  if inspection.class_names:
    parts += ['<h2>Images of each class</h2>', _class_bars(inspection)]
  parts += ['<h2>Examples</h2>', *_sheet(inspection), *_pairs(inspection), *_unreadable(inspection)]
  return '\n'.join(parts) + '</html>\n'


def _table(titles: list[str], rows: list[list[str]]) -> str:
  cells = lambda tag, row: ''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in row)
  lines = ''.join(f'<tr>{cells("td", row)}</tr>' for row in rows)
  head = cells('th', map(plain, titles))
  return f'<div class="wide"><table><tr>{head}</tr>{lines}</table></div>'


def _class_bars(inspection: Inspection) -> str:
  """A table of counts; the bar beside each class is of all splits together."""
  rows = [
    (row.title, [split.class_counts[row.label] for split in inspection.splits])
    for row in inspection.sheet
  ]
  largest = max((sum(counts) for _, counts in rows), default=0) or 1
  head = ''.join(f'<th>{html.escape(plain(split.name))}</th>' for split in inspection.splits)
  lines = [
    f'<tr><td>{html.escape(plain(title))}</td>'
    + ''.join(f'<td>{number:,}</td>' for number in counts)
    + f'<td class="bar"><span style="width:{100 * sum(counts) / largest:.1f}%"></span></td></tr>'
    for title, counts in rows
  ]
  cut = len(inspection.class_names) - len(rows)
  note = f'<p>The largest and the smallest classes; {cut:,} are between.</p>' if cut else ''
  table = f'<table><tr><th>class</th>{head}<th></th></tr>{"".join(lines)}</table>'
  return f'{note}<div class="wide">{table}</div>'


def _sheet(inspection: Inspection) -> list[str]:
  rows = []
  for row in inspection.sheet:
    images = ''.join(_image(example, inspection) for example in row.examples) or 'no image'
    rows.append(f'<div class="row"><h3>{html.escape(plain(row.title))}</h3>{images}</div>')
  return rows


def _pairs(inspection: Inspection) -> list[str]:
  """Near-duplicates side by side, those of two splits first: they are the ones that harm."""
  overlaps = sorted(inspection.overlaps, key=lambda overlap: overlap.first == overlap.second)
  pairs = [pair for overlap in overlaps for pair in overlap.pairs][:_MAX_PAIRS]
  if not pairs:
    return []
  figures = []
  for one, other, distance in pairs:
    caption = html.escape(f'{where(one, inspection)} | {where(other, inspection)}')
    images = _image(one, inspection) + _image(other, inspection)
    figures.append(
      f'<figure>{images}<figcaption>{caption}<br>difference {distance:.3f}</figcaption></figure>'
    )
  note = '<p>Difference: root mean square of 16x16 thumbnails, relative to their range.</p>'
  return ['<h2>Near-duplicates</h2>', note, *figures]


def _unreadable(inspection: Inspection) -> list[str]:
  rows = unreadable_rows(inspection)
  if not rows:
    return []
  shown = rows[:_MAX_UNREADABLE]
  note = f'<p>The first {len(shown)} of {len(rows):,}.</p>' if len(rows) > len(shown) else ''
  return ['<h2>Unreadable</h2>', note, _table(['split', 'row', 'name', 'why'], shown)]


def _image(example: Example, inspection: Inspection) -> str:
  """An `img` with its picture within; grey and opaque ones are written as such, to be small."""
  pixels = inspection.pictures[example.split, example.row]
  opaque = bool((pixels[..., 3] == 255).all())
  grey = opaque and bool((pixels[..., :1] == pixels[..., 1:3]).all())
  kept = pixels[..., 0] if grey else pixels[..., :3] if opaque else pixels
  file = io.BytesIO()
  Image.fromarray(np.ascontiguousarray(kept)).save(file, format='PNG', optimize=True)
  data = base64.b64encode(file.getvalue()).decode()
  title = html.escape(where(example, inspection))
  return f'<img src="data:image/png;base64,{data}" alt="{title}" title="{title}">'
