"""`launch.py ablate`: flags and what they ask for."""

import dataclasses

from absl import flags

from gan_jax.commands import common, executor

FLAGS = flags.FLAGS
TEXT = 'Run variants of a config over several seeds, and compare them.'
EXAMPLE = 'launch.py ablate --sweep=configs/ablations/losses.py --root=runs/ablations/losses'


def define() -> None:
  """Defines the flags."""
  common.define_path('sweep', None, 'File of the sweep, such as configs/ablations/losses.py.')
  common.define_path(
    'root',
    None,
    'Folder of the runs; several sweeps, processes and machines may share it. Default: '
    'runs/ablations/<name of the file>.',
  )
  flags.DEFINE_list('seeds', [], "Seeds of the runs; default: the sweep's own.")
  executor.define('slurm')
  flags.DEFINE_integer(
    'parallel', 1, 'Runs at a time, each on its share of cores or GPUs; of Slurm, tasks.'
  )
  flags.DEFINE_integer('retries', 1, 'Further attempts at a run that failed.')
  flags.DEFINE_bool('estimate', True, 'Measure a step of each distinct program, for the plan.')
  flags.DEFINE_bool('dry_run', False, 'Print the plan and stop.')


def run() -> None:
  """Runs the command.

  Raises:
    UserError: for flags that cannot be used.
    NotDoneError: where runs failed.
  """
  import jax

  # The runs are processes of their own: an accelerator is theirs, not that of this one.
  jax.config.update('jax_platforms', 'cpu')
  from gan_jax import ablate
  from gan_jax.ablation import plan, shown
  from gan_jax.errors import NotDoneError
  from gan_jax.text import number_of

  executor.check('slurm')
  if FLAGS.sweep is None:
    raise flags.IllegalFlagValueError(
      '--sweep: name a file of a sweep, such as configs/ablations/losses.py'
    )
  name, sweep = ablate.load(FLAGS.sweep)
  if FLAGS.seeds:
    sweep = dataclasses.replace(sweep, seeds=tuple(map(_seed, FLAGS.seeds)))
  options = ablate.Options(
    root=FLAGS.root or ablate.default_root(name),
    sweep=FLAGS.sweep,
    executor=FLAGS.executor,
    parallel=FLAGS.parallel,
    retries=FLAGS.retries,
    job=executor.job(),
  )
  made = plan.plan(name, sweep)
  shown.show_plan(made, ablate.states(made, options), options.root)
  if FLAGS.estimate:
    shown.show_estimate(ablate.estimated(made, options), options.parallel)
  if FLAGS.dry_run:
    return
  results = ablate.ablate(made, options)
  if results is None:
    return
  shown.show_results(results, options.root)
  failed = sum(run.state == 'failed' for run in results.runs)
  if failed:
    raise NotDoneError(
      f'{number_of(failed, "run")} failed; what they said is in {options.root}/attempts. Once that '
      f'is mended, --retries={options.retries + 1} tries them again'
    )


def _seed(text: str) -> int:
  if not text.isdigit():
    raise flags.IllegalFlagValueError(
      f'--seeds={text}: accepted: whole numbers from 0, with commas between'
    )
  return int(text)
