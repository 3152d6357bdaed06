"""`launch.py tune`: flags and what they ask for."""

import os
import sys

from absl import flags

from gan_jax.commands import common

FLAGS = flags.FLAGS
TEXT = 'Find the weight γ of R1 and R2 by short runs under a budget.'
EXAMPLE = 'launch.py tune --config=configs/digits_r3gan.py --budget_images=200000'


def define() -> None:
  """Defines the flags."""
  common.define_config()
  flags.DEFINE_integer(
    'budget_images', 1_000_000, 'Real images shown by all runs of the search together.'
  )
  flags.DEFINE_list(
    'gammas',
    [],
    "Values of γ to try; default: three decades around the config's own, and 0.0002 · pixels / "
    'batch size, the rule of thumb of StyleGAN2-ADA.',
  )
  flags.DEFINE_list('learning_rates', ['1'], 'Factors on both learning rates to try.')
  flags.DEFINE_list('batch_sizes', [], "Batch sizes to try; default: the config's own.")
  flags.DEFINE_integer('seeds', 1, 'Runs of each candidate, of which the mean counts.')
  common.define_path(
    'root', None, 'Folder of the short runs and of the report; default: runs/tune_<config>.'
  )
  flags.DEFINE_bool('dry_run', False, 'Print the plan and stop.')


def run() -> None:
  """Runs the command.

  Raises:
    UserError: for flags that cannot be used.
  """
  from gan_jax import text, tune
  from gan_jax.text import say
  from gan_jax.tuning import shown

  name, config = common.config()
  config_file = common.config_file()
  search = tune.Search(
    root=FLAGS.root or os.path.join('runs', f'tune_{name}'),
    budget_images=FLAGS.budget_images,
    gammas=_numbers('gammas'),
    learning_rates=_numbers('learning_rates'),
    batch_sizes=tuple(int(value) for value in _numbers('batch_sizes')),
    seeds=FLAGS.seeds,
  )
  rungs = tune.check(config, search)
  tried = {c.name: tune.overrides(config, c) for c in tune.candidates(config, search)}
  shown.show_plan(tried, [(rung.candidates, rung.images) for rung in rungs], search.seeds)
  if FLAGS.dry_run:
    return
  found = tune.tune(config, search)
  shown.show_tuned(
    config.checkpoint.best_score,
    [(images, {c.name: line for c, line in lines.items()}) for images, lines in found.rungs],
    found.best.name,
    [candidate.name for candidate in found.as_good],
    found.at_border,
  )
  say(f'report       {search.root}/report.json, {search.root}/scores.png')
  given = [each for each in sys.argv if each.startswith('--config.')]
  say(f'next:\n  {text.command(*tune.command(config_file, found, given))}')


def _numbers(flag: str) -> tuple[float, ...]:
  given = FLAGS[flag].value or []
  try:
    return tuple(float(value) for value in given)
  except ValueError as error:
    raise flags.IllegalFlagValueError(
      f'--{flag}={",".join(given)}: accepted: numbers with commas between'
    ) from error
