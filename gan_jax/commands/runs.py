"""`launch.py runs`: flags and what they ask for."""

from absl import flags

from gan_jax.commands import common

FLAGS = flags.FLAGS
TEXT = 'List runs: how far each is, its checkpoints, its newest score.'
EXAMPLE = 'launch.py runs --root=runs'


def define() -> None:
  """Defines the flags."""
  common.define_path('root', 'runs', 'Folder to look in, and below.')


def run() -> None:
  """Runs the command.

  Raises:
    UserError: for flags that cannot be used.
  """
  from rich.console import Console
  from rich.table import Table
  from rich.text import Text

  from gan_jax import runs
  from gan_jax.text import columns, printable, say

  found = runs.find(FLAGS.root)
  table = Table()
  for heading in ('run', 'model', 'dataset'):
    table.add_column(heading, overflow='fold')
  for heading in ('images', 'of', 'checkpoints (images)', 'score'):
    table.add_column(heading, justify='right', overflow='fold')
  for each in found:
    config = each.config
    if config is None:
      say(f'! {each.workdir}: {each.trouble}')
      continue
    score = f'{each.score[0]} {each.score[1]:.4g}' if each.score else '-'
    checkpoints = ', '.join(f'{images:,}' for images in each.checkpoints) or '-'
    cells = (
      *(each.workdir, config.model.name, config.dataset.name),
      *(f'{each.images:,}', f'{config.train.images:,}', checkpoints, score),
    )
    table.add_row(*(Text(printable(cell)) for cell in cells))
  Console(width=columns()).print(table)
  for name in runs.not_comparable(found):
    say(
      f'! {name}: some of these runs were scored by a network of other weights (of other data, or '
      'trained on another machine); `launch.py evaluate` scores them by one'
    )
  say(f'{len(found):,} run(s) in {FLAGS.root}; to go on with one, give its train command again')
