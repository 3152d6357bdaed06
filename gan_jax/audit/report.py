"""Audits on the screen and in files."""

import csv
import json
import os
from collections.abc import Sequence
from typing import Any

from gan_jax import pages
from gan_jax.audit.result import Result, Table, as_json, flat
from gan_jax.audit.subject import Subject
from gan_jax.errors import UserError
from gan_jax.evaluation.report import check as check
from gan_jax.evaluation.report import finite, make
from gan_jax.text import cell, say
from gan_jax.workdir import record

FILES = ('audit.json', 'audit.csv', 'audit.html')
_LINE = 160  # pixels of a line that marks are drawn on
_MARKS = {'bad': '✗', 'good': '✓', 'unknown': '?', 'note': ' '}


def show(results: Sequence[Result]) -> None:
  """Prints what was found, in words."""
  for result in results:
    say(f'{result.title}')
    for sentence in result.sentences:
      say(f'  {_MARKS[sentence.level]} {sentence.text}')


def write(subject: Subject, results: Sequence[Result], folder: str) -> None:
  """Writes `audit.json`, `audit.csv` and `audit.html`."""
  make(folder)
  path = lambda name: os.path.join(folder, name)
  content = {
    'circumstances': record.circumstances(),
    **about(subject),
    'audits': [as_json(result) for result in results],
  }
  text = json.dumps(finite(content), indent=2, allow_nan=False) + '\n'
  record.write_atomically(path('audit.json'), text)
  with open(path('audit.csv'), 'w', newline='', encoding='utf-8') as file:
    writer = csv.writer(file, lineterminator='\n')
    writer.writerow(('audit', 'key', 'value', 'low', 'high'))
    for result in results:
      for key, estimate in result.numbers.items():
        writer.writerow((result.name, cell(key), *estimate))
  record.write_atomically(path('audit.html'), page(subject, results))


def add_to_record(subject: Subject, results: Sequence[Result]) -> None:
  """Adds all numbers to the run's `metrics.jsonl`, as a line of kind `audit`.

  Raises:
    UserError: where the run's record cannot be written.
  """
  assert subject.run is not None  # asked of runs alone
  try:
    record.append_line(
      subject.workdir, 'audit', subject.run.step, subject.run.images, flat(list(results))
    )
  except OSError as error:
    raise UserError(f'--metrics: {subject.workdir}: cannot be written: {error.strerror}') from error


def about(subject: Subject) -> dict[str, Any]:
  """What was audited, and against what."""
  return {
    'subject': subject.name,
    'images': len(subject),
    'seed': subject.seed,
    'data': {
      each.name: {'fingerprint': each.fingerprint, 'images': len(each)}
      for each in (subject.train, subject.holdout)
    },
  }


def page(subject: Subject, results: Sequence[Result]) -> str:
  """The audits as one page that opens from a disk."""
  return pages.render(
    'audit.html',
    title=f'Audit of {subject.name}',
    facts=(
      f'{len(subject):,} images; real images: {subject.train.name}, {len(subject.train):,}; held '
      f'out: {subject.holdout.name}, {len(subject.holdout):,}. Intervals are at 95 %.'
    ),
    audits=[
      {
        'title': result.title,
        'sentences': result.sentences,
        'tables': [
          {
            'title': table.title,
            'headings': table.headings,
            'rows': [
              (row, place in table.bad, _drawn(table, place))
              for place, row in enumerate(table.rows)
            ],
            'drawn': table.drawn,
          }
          for table in result.tables
        ],
        'pictures': [
          {
            'address': pages.picture(picture.pixels),
            'title': picture.title,
            'width': picture.pixels.shape[1] * _zoom(picture.pixels.shape[1]),
          }
          for picture in result.pictures
        ],
      }
      for result in results
    ],
    marks=_MARKS,
    line=_LINE,
  )


def _drawn(table: Table, place: int) -> dict[str, float] | None:
  """Where a row's mark is on the line of its table, pixels."""
  if not table.marks:
    return None
  most = max(max(mark.high, mark.beside) for mark in table.marks) or 1.0
  scale = lambda value: round(4 + (_LINE - 8) * value / most, 1)
  return {name: scale(value) for name, value in table.marks[place]._asdict().items()}


def _zoom(width: int) -> int:
  """How many times as large a small picture is shown."""
  return max(1, min(3, 700 // width))
