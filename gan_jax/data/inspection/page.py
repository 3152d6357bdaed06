"""An inspection as one page that opens from a disk."""

from typing import Any

import numpy as np

from gan_jax import pages
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


def page(inspection: Inspection) -> str:
  """Makes the page."""
  splits = [plain(split.name) for split in inspection.splits]
  unreadable = unreadable_rows(inspection)
  shown = unreadable[:_MAX_UNREADABLE]
  cut = f'The first {len(shown)} of {len(unreadable):,}.' if len(unreadable) > len(shown) else ''
  between = len(inspection.class_names) - len(inspection.sheet)
  return pages.render(
    'inspect.html',
    title=plain(inspection.name),
    findings=findings(inspection) or ['Nothing found that stands in the way of training.'],
    splits=splits,
    split_headings=['', *splits],
    split_rows=[[heading, *cells] for heading, cells in split_rows(inspection)],
    overlaps=overlap_rows(inspection) if len(splits) > 1 else [],
    classes=_classes(inspection) if inspection.class_names else [],
    classes_between=f'{between:,}' if between else '',
    sheet=[
      {'title': plain(row.title), 'images': [_image(each, inspection) for each in row.examples]}
      for row in inspection.sheet
    ],
    pairs=_pairs(inspection),
    unreadable=shown,
    unreadable_cut=cut,
  )


def _classes(inspection: Inspection) -> list[dict[str, Any]]:
  """Counts of each class; the bar beside them is of all splits together."""
  rows = [
    (row.title, [split.class_counts[row.label] for split in inspection.splits])
    for row in inspection.sheet
  ]
  largest = max((sum(counts) for _, counts in rows), default=0) or 1
  return [
    {
      'title': plain(title),
      'counts': [f'{number:,}' for number in counts],
      'share': f'{100 * sum(counts) / largest:.1f}',
    }
    for title, counts in rows
  ]


def _pairs(inspection: Inspection) -> list[dict[str, Any]]:
  """Near-duplicates side by side, those of two splits first: they are the ones that harm."""
  overlaps = sorted(inspection.overlaps, key=lambda overlap: overlap.first == overlap.second)
  pairs = [pair for overlap in overlaps for pair in overlap.pairs][:_MAX_PAIRS]
  return [
    {
      'images': [_image(one, inspection), _image(other, inspection)],
      'caption': f'{where(one, inspection)} | {where(other, inspection)}',
      'distance': f'{distance:.3f}',
    }
    for one, other, distance in pairs
  ]


def _image(example: Example, inspection: Inspection) -> dict[str, str]:
  """A picture and its title; grey and opaque ones are written as such, to be small."""
  pixels = inspection.pictures[example.split, example.row]
  opaque = bool((pixels[..., 3] == 255).all())
  grey = opaque and bool((pixels[..., :1] == pixels[..., 1:3]).all())
  kept = pixels[..., :1] if grey else pixels[..., :3] if opaque else pixels
  return {'address': pages.picture(np.ascontiguousarray(kept)), 'title': where(example, inspection)}
