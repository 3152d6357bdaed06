"""What a person sees of a search: its plan, and its end."""

from rich.console import Console
from rich.table import Table


def show_plan(
  candidates: dict[str, dict[str, float]], rungs: list[tuple[int, int]], seeds: int
) -> None:
  """Prints what a search will run.

  Args:
    candidates: the keys that each changes, by its name.
    rungs: how many run in each, to how many images.
    seeds: runs of each.
  """
  table = Table(title='Candidates', title_justify='left')
  table.add_column('candidate', no_wrap=True)
  table.add_column('what it changes')
  for name, changes in candidates.items():
    text = ' '.join(f'{key}={value:g}' for key, value in changes.items())
    table.add_row(name, text or 'nothing')
  Console().print(table)
  before = 0
  for count, images in rungs:
    again = f', {count * seeds * (images - before):,} in all'
    print(f'{count} candidates of {seeds} seed(s) to {images:,} images each{again}')
    before = images


def show_tuned(
  key: str,
  rungs: list[tuple[int, dict[str, dict[str, float] | None]]],
  best: str,
  as_good: list[str],
  at_border: bool,
) -> None:
  """Prints the scores of a search and what follows from them.

  Args:
    key: the score that candidates are compared by.
    rungs: images, and each candidate's scores, None where it came to nothing.
    best: the best candidate's name.
    as_good: those that its interval reaches.
    at_border: whether its γ is the smallest or the largest tried.
  """
  table = Table(title=key, title_justify='left')
  table.add_column('candidate', no_wrap=True)
  for images, _ in rungs:
    table.add_column(f'{images:,} images', justify='right')
  for name in rungs[0][1]:
    table.add_row(name, *(_cell(lines.get(name, {}), key) for _, lines in rungs))
  Console().print(table)
  reached = f'; as good by this evidence: {", ".join(as_good)}' if as_good else ''
  print(f'best         {best}{reached}')
  if at_border:
    print('! the best γ is the smallest or the largest tried: search beyond it with --gammas')


def _cell(line: dict[str, float] | None, key: str) -> str:
  """A score with its interval; a dash where it came to nothing, blank where it did not run."""
  if not line:
    return 'not finite' if line is None else ''
  low, high = line.get(f'{key}_low', line[key]), line.get(f'{key}_high', line[key])
  return f'{line[key]:.4g} [{low:.4g}, {high:.4g}]'
