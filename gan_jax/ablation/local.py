"""Runs the runs of a plan on this machine, several at a time, beside other processes that do so."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import IO, NamedTuple

from gan_jax.ablation import status
from gan_jax.ablation.plan import Plan, PlannedRun
from gan_jax.ablation.root import Root
from gan_jax.ablation.status import State
from gan_jax.errors import Preempted
from gan_jax.runtime import child, gpus, processes
from gan_jax.runtime.preemption import StopSignal
from gan_jax.workdir.claim import is_claimed
from gan_jax.workdir.lease import Lease, Leases

_TICK = 1.0  # seconds between two looks at the children
_KILLED_AFTER = 120.0  # seconds that a child that is asked to stop has to save

Say = Callable[[str], None]
Watch = Callable[[dict[str, State], set[str]], None]


class _Child(NamedTuple):
  run: PlannedRun
  lease: Lease
  process: 'subprocess.Popen[bytes]'
  log: IO[bytes]
  start: int  # of this attempt in the log


def work(
  plan: Plan, root: Root, parallel: int, retries: int, say: Say, watch: Watch
) -> dict[str, State]:
  """Runs what is left of a plan until every run has come to an end, here or elsewhere.

  Args:
    plan: its runs.
    root: folder of the ablation, made.
    parallel: runs at a time in this process.
    retries: further attempts at a run that failed, those of before counted.
    say: shows a line.
    watch: called now and then with where the runs are, and which are at work here.

  Returns:
    Where each run has come to, by its key.

  Raises:
    Preempted: after SIGTERM or SIGINT, when the runs at work here are saved.
  """
  runs, leases = plan.distinct, Leases(root.leases)
  children: dict[int, _Child] = {}
  states: dict[str, State] = {}
  settled = (State.FINISHED, State.DIVERGED, State.FAILED)
  with StopSignal() as stop, contextlib.ExitStack() as ending:
    ending.callback(lambda: _stop(children, root, say))
    while True:
      for slot, each in list(children.items()):
        if each.process.poll() is not None:
          _ended(children.pop(slot), root, say)
        elif each.lease.lost.is_set():
          say(f'! {_name(each.run)}: another process has taken it over; stopped here')
          each.process.terminate()
      for key, run in runs.items():
        if states.get(key) not in settled:  # these are read again and again
          states[key] = status.state(root, run, retries)
      left = [key for key, found in states.items() if found not in settled]
      at_work = {each.run.key for each in children.values()}
      watch(states, at_work)
      if not left and not children:
        return states
      try:
        stop.check()
      except Preempted as told:
        said = f'{told}: the runs at work are saved; the same command goes on'
        raise Preempted(said) from None
      for slot in range(parallel):
        if slot not in children:
          taken = _next(left, at_work, runs, root, leases)
          if taken is None:
            break
          run, lease = taken
          # What another process has brought to an end in the meantime.
          if status.state(root, run, retries) in settled:
            lease.release()
            continue
          at_work.add(run.key)
          children[slot] = _start(run, lease, root, slot, parallel)
          say(f'{_name(run)}: {"goes on" if states[run.key] is State.STARTED else "begins"}')
      time.sleep(_TICK)


def _next(
  left: list[str], at_work: set[str], runs: dict[str, PlannedRun], root: Root, leases: Leases
) -> tuple[PlannedRun, Lease] | None:
  for key in left:
    # A child whose parent was killed may still be saving.
    if key in at_work or is_claimed(root.workdir(key)):
      continue
    lease = leases.take(key)
    if lease is not None:
      return runs[key], lease
  return None


def _start(run: PlannedRun, lease: Lease, root: Root, slot: int, parallel: int) -> _Child:
  root.keep_config(run.key, run.config)
  cores, devices = _share(slot, parallel)
  words = ('train', child.recorded(root.config(run.key)), f'--workdir={root.workdir(run.key)}')
  log = open(f'{root.attempts(run.key)[: -len("jsonl")]}log', 'ab')  # noqa: SIM115 - of the child
  start = log.tell()
  process = subprocess.Popen(
    child.command(os.getpid(), cores, *words),
    stdin=subprocess.DEVNULL,
    stdout=log,
    stderr=log,
    env=child.environment() | processes.ALONE | devices,
  )
  return _Child(run, lease, process, log, start)


def _ended(each: _Child, root: Root, say: Say, asked: bool = False) -> None:
  """Records how an attempt ended; one that was asked to leave is none that failed."""
  each.log.close()
  code = each.process.returncode
  if asked and code == -signal.SIGTERM:  # while it imported, when nothing heeds a signal yet
    code = 75
  found = status.state(root, each.run)
  reason = '' if code == 0 else _last_line(each)
  if found is not State.DIVERGED and not each.lease.lost.is_set():
    status.add_attempt(root, each.run.key, code, reason)
  each.lease.release()
  if code == 0:
    say(f'{_name(each.run)}: finished')
  elif found is State.DIVERGED:
    say(f'! {_name(each.run)}: diverged: {reason}')
  elif code != 75:
    say(f'! {_name(each.run)}: failed ({_code(code)}): {reason}')


def _stop(children: dict[int, _Child], root: Root, say: Say) -> None:
  """Asks what is at work here to save and leave, and waits for it."""
  for each in children.values():
    with contextlib.suppress(ProcessLookupError):
      each.process.terminate()
  deadline = time.monotonic() + _KILLED_AFTER
  for each in children.values():
    try:
      each.process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
      each.process.kill()
      each.process.wait()
    _ended(each, root, say, asked=True)
  children.clear()


def _share(slot: int, parallel: int) -> tuple[list[int], dict[str, str]]:
  """The cores and the GPUs of one of several runs at a time; nothing said: all of them."""
  seen = gpus.visible(os.environ)
  if seen:
    if parallel == 1:
      return [], {}
    own = seen[slot::parallel] or [seen[slot % len(seen)]]
    shared = -(-parallel // len(seen))
    memory = {'XLA_PYTHON_CLIENT_MEM_FRACTION': f'{0.9 / shared:.2f}'} if shared > 1 else {}
    return [], {gpus.VISIBLE: ','.join(own), **memory}
  if not hasattr(os, 'sched_getaffinity'):
    return [], {}
  cores = sorted(os.sched_getaffinity(0))
  if parallel == 1 or len(cores) < parallel:
    return [], {}
  each = len(cores) // parallel
  return cores[slot * each : (slot + 1) * each], {}


def _last_line(each: _Child) -> str:
  """What a child said last."""
  with open(each.log.name, 'rb') as file:
    file.seek(each.start)
    return child.last_line(file.read().decode(errors='replace'))


def _code(code: int) -> str:
  return f'exit code {code}' if code >= 0 else f'killed by signal {-code}'


def _name(run: PlannedRun) -> str:
  return f'{run.variant}, seed {run.seed} ({run.key})'
