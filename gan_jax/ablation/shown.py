"""What a person sees of a sweep on the screen: its plan, what it will take, its table."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gan_jax.ablation import words
from gan_jax.ablation.estimate import Estimate
from gan_jax.ablation.plan import Plan
from gan_jax.ablation.results import Results
from gan_jax.ablation.status import State
from gan_jax.text import columns, command, printable, say

_ON_SCREEN = ('variant', 'runs', 'mean [95 %]', 'difference [95 %]', 'P(better) [95 %]', 'p (Holm)')
_LEAST_SAVED = 3  # lines of a plan, for which another variant is named in their place


def show_plan(plan: Plan, states: dict[str, State], root: str) -> None:
  """Prints the runs of a plan: what each variant changes, and what is finished already."""
  sweep = plan.sweep
  say(sweep.question)
  table = Table()
  table.add_column('variant', overflow='fold')
  table.add_column('what it changes of the base', overflow='fold')
  table.add_column('seeds: run, where it is', overflow='fold')
  changes = _changes(plan)
  for variant in sweep.variants:
    of = [run for run in plan.runs if run.variant == variant]
    runs = [f'{run.seed}: {run.key} {states[run.key].value}' for run in of]
    name = f'{variant} (baseline)' if variant == sweep.baseline else variant
    cells = (name, '\n'.join(changes[variant]) or 'nothing', '\n'.join(runs))
    table.add_row(*(Text(printable(cell)) for cell in cells))
  Console(width=columns()).print(table)
  done = sum(state in (State.FINISHED, State.DIVERGED) for state in states.values())
  say(
    f'{len(plan.runs)} runs of {sweep.budget} each, {len(plan.distinct)} distinct, {done} done; '
    f'compared by {sweep.compared_by} {words.END[sweep.end]}; in {root}'
  )


def _changes(plan: Plan) -> dict[str, list[str]]:
  """What each variant changes, a line a key; what an earlier one changes as well is said by it."""
  found: dict[str, list[str]] = {}
  before: dict[str, dict[str, str]] = {}
  for variant in plan.sweep.variants:
    own = {
      key: f'{key} {_value(base)} -> {_value(value)}'
      for key, (base, value) in plan.changes(variant).items()
    }
    lines = found[variant] = list(own.values())
    for other, theirs in before.items():
      kept = [f'{key} as the base' for key in theirs if key not in own]
      shorter = [f'as {other}, but', *kept]
      shorter += [line for key, line in own.items() if line != theirs.get(key)]
      if len(shorter) <= len(found[variant]) - _LEAST_SAVED:
        found[variant] = shorter
    if found[variant] is lines:
      before[variant] = own
  return found


def show_estimate(found: Estimate, parallel: int) -> None:
  """Prints what a plan will take."""
  for variant, speed in found.images_per_second.items():
    say(f'step      {speed:,.0f} images/s as {variant}')
  beside = '' if parallel == 1 else f', some fewer with {parallel} at a time'
  say(
    f'takes     about {duration(found.seconds)} of steps{beside}; compiling and scores on top; '
    f'{found.disk_bytes / 1e9:,.2f} GB on disk'
  )


def show_results(results: Results, root: str) -> None:
  """Prints the table and the answer."""
  table = Table(title=results.sweep['question'], title_justify='left')
  for heading in _ON_SCREEN:
    table.add_column(heading, overflow='fold', justify='left')
  notes = []
  for row in results.rows:
    cells = dict(zip(words.HEADINGS, words.cells(row, results), strict=True))
    table.add_row(*(Text(printable(cells[heading])) for heading in _ON_SCREEN))
    notes += [f'  {row.variant}: {cells["note"]}'] if cells['note'] else []
  Console(width=columns()).print(table)
  for note in notes:
    say(note)
  say(words.answer(results))
  say(f'next:\n  {command("launch.py", "report", f"--root={root}", "--out=report.html")}')


def duration(seconds: float) -> str:
  """Seconds as a person says them."""
  if seconds < 90:
    return f'{seconds:.0f} s'
  if seconds < 5400:
    return f'{seconds / 60:.0f} min'
  return f'{seconds / 3600:.1f} h'


def _value(value: object) -> str:
  return ','.join(map(str, value)) or '()' if isinstance(value, list) else str(value)
