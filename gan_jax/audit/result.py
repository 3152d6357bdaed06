"""What an audit finds: sentences, numbers with intervals, tables, pictures."""

import math
from typing import Any, Literal, NamedTuple

import numpy as np

from gan_jax.metrics.estimate import LEVEL, Estimate

Level = Literal['bad', 'good', 'note', 'unknown']


class Sentence(NamedTuple):
  """One thing that was found, in plain words.

  Attributes:
    text: the sentence.
    level: `bad`: a fault that was shown; `good`: looked for, within a stated error, and not found;
      `unknown`: what cannot be told, and why; `note`: to be known beside.
  """

  text: str
  level: Level = 'note'


class Mark(NamedTuple):
  """A share with its interval, drawn in a row of a table, and what it stands beside."""

  value: float
  low: float
  high: float
  beside: float


class Table(NamedTuple):
  """A table of texts.

  Attributes:
    title: what it is of.
    headings: of the columns.
    rows: cells.
    bad: the rows that show a fault.
    marks: drawn in each row, or () for none.
    drawn: the column that they are drawn in, whose cells are ''.
  """

  title: str
  headings: tuple[str, ...]
  rows: tuple[tuple[str, ...], ...]
  bad: frozenset[int] = frozenset()
  marks: tuple[Mark, ...] = ()
  drawn: int = -1


class Picture(NamedTuple):
  """Images for the eye.

  Attributes:
    title: what is seen.
    pixels: uint8 `[H, W, C]`, C of 1 or 3.
  """

  title: str
  pixels: np.ndarray


class Result(NamedTuple):
  """What one audit found.

  Attributes:
    name: of the audit, as the module is called.
    title: for people.
    sentences: the answer first.
    numbers: by key, such as `share_class_7`, each with its interval.
    tables: for the page.
    pictures: likewise.
    about: what the numbers depend on: number of images, predictor, its accuracy; JSON.
  """

  name: str
  title: str
  sentences: tuple[Sentence, ...]
  numbers: dict[str, Estimate] = {}  # noqa: RUF012 - never changed
  tables: tuple[Table, ...] = ()
  pictures: tuple[Picture, ...] = ()
  about: dict[str, Any] = {}  # noqa: RUF012 - never changed


def shown(estimate: Estimate, percent: bool = False) -> str:
  """A number and its interval as text: `3.1 % (2.2 to 4.3)`."""
  if percent:
    value, low, high = (f'{100 * each:.3g}' for each in estimate)
    return f'{value} % ({low} to {high})'
  value, low, high = (f'{each:.3g}' for each in estimate)
  return f'{value} ({low} to {high})'


def flat(results: list[Result]) -> dict[str, float]:
  """All numbers as one line of a record: `<audit>/<key>`, and the same with `_low` and `_high`.

  What is not finite is left out.
  """
  found: dict[str, float] = {}
  for result in results:
    for key, (value, low, high) in result.numbers.items():
      name = f'{result.name}/{key}'
      found |= {name: value, f'{name}_low': low, f'{name}_high': high}
  return {name: value for name, value in found.items() if math.isfinite(value)}


def as_json(result: Result) -> dict[str, Any]:
  """A result as JSON holds it, without its pictures."""
  return {
    'name': result.name,
    'title': result.title,
    'sentences': [sentence._asdict() for sentence in result.sentences],
    'numbers': {
      key: {**estimate._asdict(), 'level': LEVEL} for key, estimate in result.numbers.items()
    },
    'tables': [
      {'title': table.title, 'headings': list(table.headings), 'rows': [*map(list, table.rows)]}
      for table in result.tables
    ],
    'about': result.about,
  }
