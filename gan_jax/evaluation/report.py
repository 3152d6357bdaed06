"""An evaluation on the screen and in files."""

import contextlib
import csv
import json
import math
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gan_jax.errors import UserError
from gan_jax.evaluation import sheets
from gan_jax.evaluation.result import Evaluation
from gan_jax.evaluation.scores import Score, as_json
from gan_jax.metrics.estimate import LEVEL, Estimate
from gan_jax.text import cell, columns, printable, say
from gan_jax.workdir import record

_COLUMNS = (
  *('subject', 'step', 'images', 'name', 'metric', 'features', 'resize', 'class', 'n', 'n_real'),
  *('value', 'low', 'high', 'floor', 'floor_low', 'floor_high', 'n_floor'),
  *('repeats', 'repeats_mean', 'repeats_std'),
)
FILES = ('scores.json', 'scores.csv', 'scores.png')


def show(evaluation: Evaluation) -> None:
  """Prints a table, score by score, what is best, and what the user should know beside."""
  single = len(evaluation.rows) == 1
  repeated = any(score.repeats for row in evaluation.rows for score in row.scores)
  best = evaluation.rows[evaluation.best[0]]
  table = Table(
    title=Text(printable(best.label)) if single else None, title_justify='left', box=SIMPLE
  )
  table.add_column('score', no_wrap=True)
  floors = {s.n_floor for row in evaluation.rows for s in row.scores if s.floor is not None}
  floor = f'held-out reals (N={max(floors):,})' if len(floors) == 1 else 'held-out reals'
  for heading in ('value', f'{LEVEL:.0%} interval', floor, *['over seeds'] * repeated):
    table.add_column(heading, justify='right', overflow='fold')
  for key in dict.fromkeys(score.key for row in evaluation.rows for score in row.scores):
    found = [(row, score) for row in evaluation.rows for score in row.scores if score.key == key]
    if not single:
      table.add_section()
      names = dict.fromkeys(score.name for _, score in found)
      table.add_row(Text(', '.join(names), style='bold'))
    for row, score in found:
      star = ' *' if row is best and key == evaluation.best_key else ''
      name = score.name if single else f'  {row.label}{star}'
      table.add_row(*map(Text, (printable(name), *_cells(score, len(floors) > 1)[: 3 + repeated])))
  Console(width=columns()).print(table)
  ways = {
    False: 'lower is better',
    True: 'higher is better',
    None: 'to be read beside that of held-out reals',
  }
  for higher, text in ways.items():
    listed = _listed(evaluation, higher)
    if listed:
      say(f'{text}: {listed}')
  say(f'compared with {_numbers(evaluation)}; held-out reals against {_rest(evaluation)}')
  for note in dict.fromkeys(evaluation.notes):
    say(f'! {note}')
  if len(evaluation.rows) > 1 and evaluation.best_key:
    say(best_line(evaluation))
  if evaluation.tenths:
    ends = (
      f'{each.name} {each.distances[0]:.3g} to {each.distances[1]:.3g}'
      for each in evaluation.tenths
    )
    say('distance to the fifth nearest real image, by tenths: ' + ', '.join(ends))


def best_line(evaluation: Evaluation) -> str:
  """Which row is best, by what rule, and which others cannot be told from it."""
  first, near = evaluation.best
  row = evaluation.rows[first]
  score = next(score for score in row.scores if score.key == evaluation.best_key)
  rule = 'highest' if score.higher_is_better else 'lowest'
  text = f'best: {row.label}, by the {rule} {score.name} ({score.estimate.value:.4g})'
  if near:
    text += '; within its interval: ' + ', '.join(evaluation.rows[i].label for i in near)
  return text


def check(folder: str) -> None:
  """Raises UserError where files cannot be written to a folder; makes none."""
  missing, place = [], os.path.abspath(folder)
  while not os.path.lexists(place):
    missing.append(place)
    place = os.path.dirname(place)
  try:
    make(folder)
  finally:
    for each in missing:
      with contextlib.suppress(OSError):
        os.rmdir(each)


def make(folder: str) -> None:
  """Makes a folder that files are written to.

  Raises:
    UserError: where it cannot be made, or nothing be written there.
  """
  try:
    os.makedirs(folder, exist_ok=True)
  except OSError as error:
    raise UserError(f'--out={folder}: cannot be written: {error.strerror}') from error
  if not os.access(folder, os.W_OK):
    raise UserError(f'--out={folder}: cannot be written: permission denied')


def write(evaluation: Evaluation, folder: str) -> None:
  """Writes `scores.json`, `scores.csv`, `scores.png` and a folder of the tenths."""
  from gan_jax.evaluation import picture  # draws with matplotlib, which takes a second to import

  make(folder)
  path = lambda name: os.path.join(folder, name)
  text = json.dumps(finite(_all(evaluation)), indent=2, allow_nan=False) + '\n'
  record.write_atomically(path('scores.json'), text)
  with open(path('scores.csv'), 'w', newline='', encoding='utf-8') as file:
    writer = csv.DictWriter(file, _COLUMNS, lineterminator='\n')
    writer.writeheader()
    for line in _lines(evaluation):
      writer.writerow({name: cell(value) for name, value in line.items()})
  picture.write(evaluation, path('scores.png'))
  sheets.write(evaluation.tenths, path(sheets.FOLDER))


def _all(evaluation: Evaluation) -> dict[str, Any]:
  first, near = evaluation.best
  return {
    'circumstances': record.circumstances(),
    'about': evaluation.about,
    'notes': list(dict.fromkeys(evaluation.notes)),
    'best': {'by': evaluation.best_key, 'row': first, 'within_its_interval': near},
    'rows': [
      {**row._asdict(), 'scores': [as_json(score) for score in row.scores]}
      for row in evaluation.rows
    ],
  }


def _lines(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
  """One line a score and, below it, one a class."""
  for row in evaluation.rows:
    for score in row.scores:
      common = {
        **{'subject': row.subject, 'step': row.step, 'images': row.images, 'name': score.name},
        **{'metric': score.metric, 'features': score.features, 'resize': score.resize},
        **{'n': score.n, 'n_real': score.n_real},
      }
      floor = dict(zip(('floor', 'floor_low', 'floor_high'), score.floor or (), strict=False))
      seeds = {}
      if score.repeats:
        seeds = dict(zip(_COLUMNS[-3:], (len(score.repeats), *_over_seeds(score)), strict=True))
      yield {**common, **score.estimate._asdict(), **floor, 'n_floor': score.n_floor, **seeds}
      for number, detail in score.details.items():
        yield {**common, 'class': row.class_names[number], **detail._asdict()}


def _cells(score: Score, with_number: bool) -> tuple[str, ...]:
  """Value, interval, floor (and its N), mean over seeds."""
  floor = '-'
  if score.floor is not None:
    floor = f'{score.floor.value:.3g}'
    floor += f' (N={score.n_floor:,})' if with_number else ''
  seeds = ''
  if score.repeats:
    mean, deviation = _over_seeds(score)
    seeds = f'{mean:.4g} ± {deviation:.2g} ({len(score.repeats)})'
  return f'{score.estimate.value:.4g}', _interval(score.estimate), floor, seeds


def _interval(estimate: Estimate) -> str:
  return f'{estimate.low:.3g} to {estimate.high:.3g}'


def _over_seeds(score: Score) -> tuple[float, float]:
  """Mean and standard deviation over sampling seeds."""
  values = np.array(score.repeats)
  return float(values.mean()), float(values.std(ddof=1))


def _listed(evaluation: Evaluation, higher: bool | None) -> str:
  names = dict.fromkeys(
    score.metric
    for row in evaluation.rows
    for score in row.scores
    if score.higher_is_better == higher
  )
  return ', '.join(names)


def _numbers(evaluation: Evaluation) -> str:
  numbers = sorted({score.n_real for row in evaluation.rows for score in row.scores})
  return ' and '.join(f'{number:,}' for number in numbers) + ' real images'


def _rest(evaluation: Evaluation) -> str:
  """What the held-out images are compared with."""
  of_rows = [score for row in evaluation.rows for score in row.scores if score.floor is not None]
  numbers = sorted({score.n_real_floor for score in of_rows})
  return (
    'the same'
    if numbers == sorted({score.n_real for score in of_rows})
    else (' and '.join(f'{number:,}' for number in numbers) + ' of them')
  )


def finite(value: Any) -> Any:
  """Puts null, which JSON has, where a number is not finite."""
  if isinstance(value, dict):
    return {key: finite(inner) for key, inner in value.items()}
  if isinstance(value, list | tuple):
    return [finite(inner) for inner in value]
  return None if isinstance(value, float) and not math.isfinite(value) else value
