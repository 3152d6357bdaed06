"""What a person sees while a run goes on, and when it ends."""

import contextlib
import functools
import os
import sys
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from gan_jax.text import command, printable, say

_SECONDS_BETWEEN_LINES = 5.0  # of progress on a stream that is no terminal
_UNEVEN = 1.5  # a split with so many times more or fewer images than asked for is told
_TABLES = ('.csv', '.tsv', '.jsonl', '.parquet')  # endings of files that may name classes
_MOST_LINES = 20  # of refused files on the screen; all are in the report


class ProgressBar:
  """A live line: images, images/s, time to go, losses; on a plain stream, a line a log."""

  def __init__(self, total: int, seconds: float | None = None, shown: bool = True):
    """Counts to `total` images, or about so many seconds; shows nothing before it is entered.

    Where it is not `shown`, as on all hosts but one, nothing is printed either.
    """
    self._shown, self._live = shown, shown and sys.stderr.isatty()
    self._total, self._seconds, self._began = total, seconds, time.monotonic()
    self._bar = Progress(
      TextColumn('{task.description}'),
      BarColumn(bar_width=None),
      TaskProgressColumn(),
      TextColumn('{task.completed:,.0f}/{task.total:,.0f} images'),
      TextColumn('{task.fields[rate]}'),
      TimeRemainingColumn(),
      TextColumn('{task.fields[losses]}'),
      console=Console(stderr=True),
      disable=not self._live,
      speed_estimate_period=60,
    )
    self._task = self._bar.add_task('training', total=total, rate='', losses='')

  def __enter__(self) -> 'ProgressBar':
    self._bar.start()
    self._began = time.monotonic()
    return self

  def __exit__(
    self,
    kind: type[BaseException] | None,
    error: BaseException | None,
    traceback: TracebackType | None,
  ) -> None:
    self._bar.stop()

  def advance(self, images: int) -> None:
    """Sets the images shown so far."""
    self._bar.update(self._task, completed=images)

  def doing(self, what: str) -> None:
    """Says what the run is busy with."""
    self._bar.update(self._task, description=what)

  def log(self, images: int, rate: float, d_loss: float, g_loss: float) -> None:
    """Shows the newest averages."""
    losses = f'D {d_loss:.3f} G {g_loss:.3f}'
    self._bar.update(self._task, rate=f'{rate:,.0f} images/s', losses=losses)
    if self._shown and not self._live:
      left = (self._total - images) / rate if rate else 0.0
      of = f'/{self._total:,}'
      if self._seconds is not None:
        left, of = max(0.0, self._seconds - (time.monotonic() - self._began)), ''
      print(
        f'{images:,}{of} images  {rate:,.0f} images/s  {left:,.0f} s to go  {losses}',
        file=sys.stderr,
        flush=True,
      )

  def say(self, text: str) -> None:
    """Prints a line above the bar."""
    text = printable(text)
    if self._live:
      self._bar.console.print(text, highlight=False, markup=False)
    elif self._shown:
      print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def counting(what: str, unit: str) -> Iterator[Callable[[int, int], None]]:
  """A bar for work that is counted; gives the function that takes how many of how many are done."""
  with stages(unit) as report:
    yield functools.partial(report, what)


@contextlib.contextmanager
def stages(
  unit: str, between: float = _SECONDS_BETWEEN_LINES, shown: bool = True
) -> Iterator[Callable[[str, int, int], None]]:
  """A bar for work of several parts; gives the function that takes which, how many of how many.

  A total of 0 is for what is not counted. On a plain stream it is a line now and then, with so many
  seconds `between`; where it is not `shown`, nothing.
  """
  live = shown and sys.stderr.isatty()
  bar = Progress(
    TextColumn('{task.description}'),
    BarColumn(bar_width=None),
    TextColumn('{task.fields[counted]}'),
    TimeRemainingColumn(),
    console=Console(stderr=True),
    disable=not live,
  )
  task = bar.add_task('starting', total=None, counted='')
  last, current = time.monotonic(), ''

  def report(what: str, done: int, total: int) -> None:
    nonlocal last, current
    if what != current:
      bar.reset(task, description=what, total=total)
      current = what
    counted = f'{done:,} of {total:,} {unit}' if total else ''
    bar.update(task, completed=done, total=total or None, counted=counted)
    if shown and not live and time.monotonic() - last > between:
      last = time.monotonic()
      print(f'{what}: {counted}' if counted else what, file=sys.stderr, flush=True)

  with bar:
    yield report


def show_preparation(name: str, folder: str, report: dict[str, Any], data_dir: str = '') -> None:
  """Says what was taken, converted and refused, and what to do next.

  Args:
    name: of the dataset.
    folder: of the dataset.
    report: as `ingest.prepare.Prepared` has it.
    data_dir: as the user gave it, '' for the default.
  """
  say(
    f'{report["images"]:,} images of {report["files"]:,} files taken, '
    f'{report["converted"]:,} converted, {report["refused"]:,} refused'
  )
  for note, count in report['conversions'].items():
    say(f'  converted: {note} ({count:,})')
  for file, reason in report['refusals'][:_MOST_LINES]:
    say(f'  refused: {file}: {reason}')
  if report['refused'] > _MOST_LINES:
    say(f'  ... and {report["refused"] - _MOST_LINES:,} more')
  rows = report.get('rows_without_image', [])
  for row in rows[:_MOST_LINES]:
    why = report.get('why_rows_have_none', {}).get(row)
    say(f'  label for no image: {row}' + (f': {why}' if why else ''))
  if len(rows) > _MOST_LINES:
    say(f'  ... and {len(rows) - _MOST_LINES:,} more')
  if left_out := report.get('columns_left_out'):
    say(f'  columns left out, as they hold lists: {", ".join(left_out)}')
  if report['other_files']:
    say(
      f'  {len(report["other_files"]):,} other files left aside, such as {report["other_files"][0]}'
    )
  height, width, channels = report['image_shape']
  splits = ', '.join(f'{split} {count:,}' for split, count in report['splits'].items())
  say(f'images       {width}x{height} pixels, {channels} channels ({report["kind"]}); {splits}')
  for split, share in report.get('asked_shares', {}).items():
    found = report['splits'].get(split, 0) / report['images']
    if not share / _UNEVEN <= found <= share * _UNEVEN and report['groups'] < report['images']:
      say(
        f'! split {split} has {report["splits"].get(split, 0):,} of {report["images"]:,} images '
        f'({found:.1%}) where {share:.0%} was asked for: {report["groups"]:,} groups are not '
        'parted; finer ones (--group), or other shares (--split), divide them better'
      )
  if report['classes']:
    counts = report['classes'].values()
    say(f'classes      {len(counts):,}, of {min(counts):,} to {max(counts):,} images')
  else:
    say(f'classes      none ({_labels_hint(report)})')
  if report['attributes']:
    say(f'attributes   {", ".join(report["attributes"])}')
  if report['kind'] == 'grey16' and report['greatest_value'] < 2**15:
    bits = max(9, report['greatest_value'].bit_length())
    say(
      f'! no pixel is above {report["greatest_value"]:,} of 65,535, so that all look dark: if the '
      f'images have {bits} bits, prepare them anew with --bits={bits}'
    )
  if report.get('asked_shares') == {'train': 1.0} and report['groups'] == 1:
    say(
      f'! nothing is held out: all {report["images"]:,} images are of one group (a patient, a '
      'volume, a file), which no split may part. The command below scores beside a tenth of the '
      'same group: neither scores nor the alarm for overfitting tell what was learnt by heart. '
      'Images of other groups, or a finer --group, mend it'
    )
  say(f'dataset      {folder}')
  say(f'all of this  {folder}/preparation.json')
  keys = {'dataset.name': name, 'dataset.resolution': height}
  if width != height:
    keys['dataset.width'] = width
  if not report['classes']:
    keys['model.conditional'] = False
  keys |= _split_keys(report['splits'])
  # The features that `characters` is judged by want 64 pixels.
  config = 'configs/characters.py' if min(width, height) >= 64 else 'configs/buildings_dcgan.py'
  # Those two mirror images, and left and right of a patient are not the same. Grey of 16 bits is of
  # an instrument, whatever the format.
  if report.get('medical') or report['kind'] == 'grey16':
    config = 'configs/xray.py' if min(width, height) >= 128 else 'configs/mri.py'
  _show_next(name, config, keys, data_dir)


def _labels_hint(report: dict[str, Any]) -> str:
  """What would give classes: a column, a file that looks like one of labels, or folders."""
  if report['attributes']:
    return f'--label={report["attributes"][0]} takes that column, for example'
  is_table = lambda name: name.lower().endswith(_TABLES) or 'list_attr' in name
  tables = [name for name in report['other_files'] if is_table(name)]
  if not tables:
    return '--labels=folders, or --labels=FILE'
  last = tables[0].rsplit('/', 1)[-1]
  several = sum(name.rsplit('/', 1)[-1] == last for name in tables) > 1
  return f'--labels={last if several else tables[0]} takes them of that file'


def _split_keys(splits: dict[str, int]) -> dict[str, Any]:
  """The keys that a config needs for splits other than `train` and `test`."""
  keys: dict[str, Any] = {}
  first = 'train' if 'train' in splits else max(splits, key=lambda name: splits[name])
  others = [name for name in ('test', 'validation', *splits) if name in splits and name != first]
  if others:
    keys = {'dataset.split': first, 'dataset.holdout_split': others[0]}
  elif splits[first] > 1:
    cut = -max(1, splits[first] // 10)
    keys = {'dataset.split': f'{first}[:{cut}]', 'dataset.holdout_split': f'{first}[{cut}:]'}
  usual = {'dataset.split': 'train', 'dataset.holdout_split': 'test'}
  return {key: value for key, value in keys.items() if usual[key] != value}


def show_dataset(builder: Any, data_dir: str) -> None:
  """Says what a dataset is that was prepared by name in `data_dir`, '' for the default."""
  info = builder.info
  splits = ', '.join(f'{name} {split.num_examples:,}' for name, split in info.splits.items())
  say(info.description)
  say(f'images       {splits}')
  say(f'dataset      {builder.data_dir}')
  own = os.path.join('configs', f'{builder.name}.py')
  keys = {} if os.path.exists(own) else {'dataset.name': builder.name}
  _show_next(builder.name, own if not keys else 'configs/characters.py', keys, data_dir)


def _show_next(name: str, config: str, keys: dict[str, Any], data_dir: str) -> None:
  """Prints how to look at a dataset and how to train on it, with the keys that a config needs."""
  if data_dir:
    keys = {**keys, 'dataset.data_dir': data_dir}
  place = [f'--data_dir={data_dir}'] if data_dir else []
  overrides = [f'--config.{key}={value}' for key, value in keys.items()]
  _show_commands(
    ['launch.py', 'inspect', f'--dataset={name}', *place, f'--out={name}.html'],
    ['launch.py', 'train', f'--config={config}', *overrides],
  )


def _show_commands(*commands: list[str]) -> None:
  say('next:')
  for words in commands:
    say(f'  {command(*words)}')


def show_scores(scores: dict[str, float], untrained: dict[str, float] | None = None) -> None:
  """Prints a table of scores, each with its N and that of held-out real images.

  Args:
    scores: as `evaluation.scores.flat` gives them.
    untrained: the same of the untrained generator, for a column beside.
  """
  table = Table(title='Scores', title_justify='left')
  table.add_column('score', no_wrap=True)
  table.add_column('generated', justify='right')
  if untrained:
    table.add_column('untrained', justify='right')
  table.add_column('held-out reals', justify='right')
  number = lambda values, key: f'{values[key]:.4g}' if key in values else '-'
  for key in scores:
    if f'{key}_low' not in scores:
      continue
    interval = (
      f'{number(scores, key)} [{number(scores, f"{key}_low")}, {number(scores, f"{key}_high")}]'
    )
    middle = [number(untrained, key)] if untrained else []
    table.add_row(key, interval, *middle, number(scores, f'floor_{key}'))
  Console().print(table)
  held_out = f'{scores["n_floor"]:,} held-out, ' if 'n_floor' in scores else ''
  say(
    f'N: {scores["n_fake"]:,} generated, {held_out}against {scores["n_real"]:,} training images; '
    'in brackets: 95 % interval.'
  )


def show_run(workdir: str, scores: dict[str, float]) -> None:
  """Prints where everything of a finished run is, its scores, and what to try next."""
  untrained = {
    name.removeprefix('untrained_'): value
    for name, value in scores.items()
    if name.startswith('untrained_')
  }
  final = {name: value for name, value in scores.items() if not name.startswith('untrained_')}
  if final:
    show_scores(final, untrained)
  say(f'pictures     {workdir}/samples')
  say(f'scores       {workdir}/metrics.jsonl')
  say(f'checkpoints  {workdir}/checkpoints')
  _show_commands(
    ['launch.py', 'sample', f'--workdir={workdir}', '--count=100', f'--out={workdir}/grid.png'],
    ['launch.py', 'evaluate', f'--workdir={workdir}'],
    ['-m', 'tensorboard.main', f'--logdir={workdir}/tensorboard'],
  )
