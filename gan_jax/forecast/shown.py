"""Forecasts for the eye: a page of one, a table of several."""

from rich.table import Table

from gan_jax.forecast.changes import Change
from gan_jax.forecast.result import Forecast

_BOUNDS = {
  'measured': 'measured here',
  'operations': "operations at the chip's peak",
  'memory': "bytes moved at its memory's speed",
}


def size(count: float) -> str:
  """Bytes: `1.23 GB`, `45 MB`, `6.7 kB`."""
  if count >= 1e9:
    return f'{count / 1e9:,.2f} GB'
  return f'{count / 1e6:,.3g} MB' if count >= 1e6 else f'{count / 1e3:,.3g} kB'


def duration(seconds: float | None) -> str:
  """A time: `2.4 ms`, `3.1 h`; `unknown` of None."""
  if seconds is None:
    return 'unknown'
  for unit, length, least in (
    ('days', 86_400, 129_600),
    ('h', 3600, 5400),
    ('min', 60, 90),
    ('s', 1, 1),
  ):
    if seconds >= least:
      return f'{seconds / length:,.3g} {unit}'
  return f'{seconds * 1e3:,.3g} ms'


def page(found: Forecast) -> Table:
  """All of a forecast."""
  target, cost = found.target, found.cost
  about = f'{found.batch_size:,} images on {target.devices} device' + 's' * (target.devices > 1)
  table = Table(title=f'{target.name}: {about}', show_header=False, title_justify='left')
  row = table.add_row
  where = 'of this process' if target.platform == 'cpu' else 'on each device'
  row(f'memory {where}', f'{size(found.memory_bytes)} of {size(found.limit_bytes)}')
  named = {**cost.held, 'activations': cost.memory.temporary}
  for name, count in named.items():
    row(f'  {name}', size(count))
  if target.platform == 'cpu':
    row('  the rest', 'code, data set, copies')
  moved = 'unknown' if cost.bytes_accessed is None else size(cost.bytes_accessed)
  row('operations a step', f'{cost.flops / 1e9:,.4g} GFLOP, each device')
  row('bytes moved a step', f'{moved}, each device')
  row('time a step', time_of(found))
  row(
    'whole run',
    f'{found.steps:,} steps, {duration(found.seconds)}, {energy(found)}; evaluations, samples and '
    'saving on top',
  )
  row(
    'checkpoints',
    f'{size(found.checkpoint_bytes)} each, {size(found.kept_checkpoints * found.checkpoint_bytes)} '
    f'kept',
  )
  if found.compile_seconds is not None:
    more = '' if found.compiling_bytes is None else f', with {size(found.compiling_bytes)}'
    row('trace and compile', f'{duration(found.compile_seconds)}, the first time{more}')
  if target.chip is not None:
    row('chip by', target.chip.source)
  return table


def time_of(found: Forecast) -> str:
  """The time of a step, and what it is."""
  if found.seconds_per_step is None:
    return 'unknown: the step was not run, or does not compile'
  said = duration(found.seconds_per_step)
  if found.bound == 'measured':
    return f'{said}, measured here'
  if found.efficiency is not None:
    return f'{said}: {_BOUNDS[found.bound]}, at {found.efficiency:.0%} of it as you measured'
  return (
    f'at least {said}: {_BOUNDS[found.bound]}; what such programs reach of that was not measured '
    'on one (--efficiency=SHARE)'
  )


def energy(found: Forecast) -> str:
  """Of the whole run."""
  if found.kilowatt_hours is not None:
    return f'at most {found.kilowatt_hours:,.3g} kWh in that time'
  chip = found.target.chip
  return 'energy unknown: ' + ('no power is published' if chip else 'the power is not known')


def change_table(changes: list[Change]) -> Table:
  """What saves memory, with what each costs."""
  table = Table(title='It does not fit. What to change:', title_justify='left')
  table.add_column('with', overflow='fold')
  for name in ('memory', 'fits', 'GFLOP', 'moved', 'time a step'):
    table.add_column(name, justify='right')
  for flags, found in changes:
    moved = found.cost.bytes_accessed
    table.add_row(
      flags,
      size(found.memory_bytes),
      'yes' if found.fits else 'no',
      f'{found.cost.flops / 1e9:,.4g}',
      'unknown' if moved is None else size(moved),
      duration(found.seconds_per_step),
    )
  return table


def markdown(rows: list[tuple[str, dict]]) -> str:
  """Forecasts of several configs, as a table for a guide.

  Args:
    rows: names of configs and forecasts as JSON has them, or `{'devices': …, 'why': …}` of one that
      could not be made.
  """
  lines = [
    '| config | devices | batch | memory a device | of which activations | GFLOP a step | moved a '
    'step | step, at least | run, at least | fits |',
    '|---|---|---|---|---|---|---|---|---|---|',
  ]
  for name, found in rows:
    if 'why' in found:
      lines.append(f'| `{name}` | {found["devices"]} | {found["why"]} ' + '| ' * 7 + '|')
      continue
    moved = found['bytes_accessed']
    cells = [
      f'`{name}`',
      found['devices'],
      f'{found["batch_size"]:,}',
      size(found['memory_bytes']),
      size(found['temporary_bytes']),
      f'{found["flops"] / 1e9:,.4g}',
      'unknown' if moved is None else size(moved),
      duration(found['seconds_per_step']),
      duration(found['run_seconds']),
      'yes' if found['fits'] else 'no',
    ]
    lines.append(f'| {" | ".join(cells)} |')
  return '\n'.join(lines) + '\n'
