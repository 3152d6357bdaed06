"""Runs an ablation: every variant over every seed, here or on a cluster, and its table."""

import dataclasses
import inspect
import os
import pathlib
import re
import shlex

from gan_jax import progress, registry
from gan_jax.ablation import estimate, local, results, status
from gan_jax.ablation.plan import Plan
from gan_jax.ablation.root import Root
from gan_jax.ablation.status import State
from gan_jax.ablation.sweep import Sweep
from gan_jax.errors import UserError, nearest
from gan_jax.executors import slurm
from gan_jax.text import command, number_of, say

EXECUTORS = ('local', 'slurm')
_SECONDS_BETWEEN_LINES = 30.0  # on a stream that is no terminal


@dataclasses.dataclass(frozen=True)
class Options:
  """How an ablation is run.

  Attributes:
    root: folder of runs and tables.
    sweep: file of the sweep, for the tasks of a cluster.
    executor: of `EXECUTORS`.
    parallel: runs at a time; of Slurm, tasks of the array.
    retries: further attempts at a run that failed.
    job: what each task asks Slurm for.
  """

  root: str
  sweep: str = ''
  executor: str = 'local'
  parallel: int = 1
  retries: int = 1
  job: slurm.Job = dataclasses.field(default_factory=slurm.Job)


def load(path: str) -> tuple[str, Sweep]:
  """The sweep of a file, by the file's name; of `FILE.py:WORD`, what `get_sweep(WORD)` makes.

  Raises:
    UserError: where there is no such file, it makes no sweep, or takes no word, or another one.
  """
  file, colon, word = path.partition('.py:')
  file, words = (f'{file}.py', [word]) if colon else (file, [])
  module = registry.load(file, '--sweep')
  if not hasattr(module, 'get_sweep'):
    raise UserError(f'--sweep={path}: defines no get_sweep()')
  takes = len(inspect.signature(module.get_sweep).parameters)
  if takes != len(words):
    form = f'{file}:WORD' if takes else file
    raise UserError(f'--sweep={path}: get_sweep() takes {takes or "no"} argument; accepted: {form}')
  if words and not re.fullmatch(r'[\w-]+', word):  # files are named by it
    raise UserError(f'--sweep={path}: {word!r} is no word; accepted: letters, digits, - and _')
  sweep = module.get_sweep(*words)
  if not isinstance(sweep, Sweep):
    raise UserError(
      f'--sweep={path}: get_sweep() returns {type(sweep).__name__}; accepted: a Sweep of '
      'gan_jax.ablation.sweep'
    )
  return '_'.join([pathlib.Path(file).stem, *words]), sweep


def ablate(made: Plan, options: Options) -> results.Results | None:
  """Runs what is left of a plan.

  Args:
    made: of `plan.plan`.
    options: how.

  Returns:
    The results; None where they come later, from a cluster.

  Raises:
    UserError: for options that cannot be used.
    Preempted: after SIGTERM or SIGINT; what is at work is saved.
  """
  if options.executor not in EXECUTORS:
    raise UserError(f'--executor={options.executor}: {nearest(options.executor, EXECUTORS)}')
  if options.parallel < 1 or options.retries < 0:
    raise UserError('--parallel and --retries: accepted: integers from 1, and from 0')
  root = Root(options.root)
  if options.executor == 'slurm':
    _queue(made, options)  # before anything is made: it may be refused
  root.make()
  root.keep_sweep(made.name, made.as_json())
  if options.executor == 'slurm':
    return None
  with progress.stages('images', _SECONDS_BETWEEN_LINES) as report:

    def watch(states: dict[str, State], at_work: set[str]) -> None:
      done = sum(found is not State.NEW and found is not State.STARTED for found in states.values())
      what = f'{done} of {len(states)} runs done, {len(at_work)} at work here'
      lengths = {key: run.config.train.images for key, run in made.distinct.items()}
      shown = {
        key: lengths[key] if found is State.FINISHED else status.shown_images(root, key)
        for key, found in states.items()
      }
      by_the_clock = bool(made.sweep.budget.seconds)
      report(what, sum(shown.values()), 0 if by_the_clock else sum(lengths.values()))

    local.work(made, root, options.parallel, options.retries, say, watch)
  return results.read(root, made.name, made.as_json())


def _queue(made: Plan, options: Options) -> None:
  """Queues the tasks of an array, each of which divides the runs with the others."""
  tasks = min(options.parallel, len(made.distinct))
  paths = {'sweep': options.sweep, 'root': options.root}
  words = ['ablate', *(f'--{name}={os.path.abspath(path)}' for name, path in paths.items())]
  seeds = ','.join(map(str, made.sweep.seeds))
  words += [f'--seeds={seeds}', f'--retries={options.retries}', '--noestimate']
  logs = os.path.join(options.root, 'slurm')
  jobs = slurm.submit(words, logs, options.job, tasks)
  say(f'queued   as {number_of(tasks, "task")}: {", ".join(jobs)}')
  say(f'watch    {shlex.join(["tail", "-F", slurm.log_of(logs, jobs[0])])}')
  say(f'cancel   scancel {jobs[0].split("_")[0]}')
  say(f'table    {command("launch.py", "report", f"--root={options.root}")}')


def estimated(made: Plan, options: Options) -> estimate.Estimate:
  """What is left of a plan takes, by measured steps.

  Raises:
    UserError: where a step cannot be measured.
  """
  root = Root(options.root)
  root.make()
  left = {
    key
    for key, run in made.distinct.items()
    if status.state(root, run) in (State.NEW, State.STARTED)
  }
  return estimate.measured(made, root, left)


def states(made: Plan, options: Options) -> dict[str, State]:
  """Where each run of a plan is, by its key."""
  root = Root(options.root)
  return {key: status.state(root, run, options.retries) for key, run in made.distinct.items()}


def default_root(name: str) -> str:
  """Where ablations of a sweep go that name no place."""
  return os.path.join('runs', 'ablations', name)
