"""What a person sees while a run goes on, and when it ends."""

import os
import sys
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table


class ProgressBar:
  """A live line: images, images/s, time to go, losses; on a plain stream, a line a log."""

  def __init__(self, total: int, done: int):
    """Starts at `done` of `total` images; shows nothing before the context is entered."""
    self._live = sys.stderr.isatty()
    self._total = total
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
    self._task = self._bar.add_task('training', total=total, completed=done, rate='', losses='')

  def __enter__(self) -> 'ProgressBar':
    self._bar.start()
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
    if not self._live:
      left = (self._total - images) / rate if rate else 0.0
      print(
        f'{images:,}/{self._total:,} images  {rate:,.0f} images/s  {left:,.0f} s to go  {losses}',
        file=sys.stderr,
        flush=True,
      )

  def say(self, text: str) -> None:
    """Prints a line above the bar."""
    if self._live:
      self._bar.console.print(text, highlight=False, markup=False)
    else:
      print(text, file=sys.stderr, flush=True)


def show_scores(scores: dict[str, float], untrained: dict[str, float] | None = None) -> None:
  """Prints a table of scores, each with its N and its floor.

  Args:
    scores: as `evaluate.Evaluator.score` gives them.
    untrained: the same of the untrained generator, for a column beside.
  """
  table = Table(title='Scores', title_justify='left')
  table.add_column('score')
  table.add_column('generated', justify='right')
  if untrained:
    table.add_column('untrained', justify='right')
  table.add_column('floor (real, held out)', justify='right')
  number = lambda values, key: f'{values[key]:.4g}' if key in values else '-'
  for key in scores:
    if key.startswith(('floor_', 'n_')) or '_std_' in key or f'floor_{key}' not in scores:
      continue
    middle = [number(untrained, key)] if untrained else []
    table.add_row(key, number(scores, key), *middle, number(scores, f'floor_{key}'))
  Console().print(table)
  print(
    f'N: {scores["n_fake"]:,} generated, {scores["n_floor"]:,} held-out, '
    f'against {scores["n_real"]:,} training images. fd, kid: lower is better.'
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
  print(f'pictures     {workdir}/samples')
  print(f'scores       {workdir}/metrics.jsonl')
  print(f'checkpoints  {workdir}/checkpoints')
  python = os.path.relpath(sys.executable)
  python = 'python' if python.startswith('..') else python
  print('next:')
  for command in (
    f'launch.py sample --workdir={workdir} --count=100 --out={workdir}/grid.png',
    f'launch.py evaluate --workdir={workdir}',
    f'-m tensorboard.main --logdir={workdir}/tensorboard',
  ):
    print(f'  {python} {command}')
