"""The command line: finds a command, reads its flags, runs it, and says what stopped it."""

import difflib
import errno
import functools
import gc
import logging
import os
import re
import shlex
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import Any

from absl import flags
from absl import logging as absl_logging

FLAGS = flags.FLAGS

# What may be gone for a while: with room again the same command goes on.
_ROOM = {
  errno.ENOSPC: '; make room and run the same command again',
  errno.EDQUOT: '; make room and run the same command again',
}


def _overview() -> str:
  from gan_jax.commands import COMMANDS

  lines = ['gan_jax trains, samples and scores image GANs. Commands:', '']
  for name, command in COMMANDS.items():
    lines += [f'  {name:10}{command.TEXT}', f'  {"":10}  {_pasteable(command.EXAMPLE)}']
  return '\n'.join([*lines, '', 'launch.py COMMAND --help explains the flags of each.'])


def _pasteable(example: str) -> str:
  """An example as it can be pasted here."""
  from gan_jax import text

  return text.command(*shlex.split(example))


def _command_help(name: str, command: ModuleType, own_flags: list[str]) -> str:
  lines = [
    f'launch.py {name}: {command.TEXT}',
    '',
    f'  {_pasteable(command.EXAMPLE)}',
    '',
    'Flags:',
  ]
  for flag in (FLAGS[own] for own in own_flags):
    default = '' if flag.default in (None, '') else f' (default: {flag.default})'
    lines.append(f'  --{flag.name}: {flag.help}{default}')
  return '\n'.join(lines)


def main(argv: list[str]) -> int:
  """Runs a command; returns the exit code: 0 done, 1 failed, 2 bad input, 75 stopped and saved."""
  # Not at the top: the package may be found only once this file's folder is in the path, below.
  from gan_jax.commands import COMMANDS

  if len(argv) < 2 or argv[1] in ('help', '--help', '-h', '-help', '--helpfull'):
    print(_overview())
    return 0
  name = argv[1]
  if name not in COMMANDS:
    near = difflib.get_close_matches(name, COMMANDS, n=1)
    hint = f'did you mean {near[0]!r}? ' if near else ''
    return _stop(f'unknown command {name!r}: {hint}accepted: {", ".join(COMMANDS)}', 2)
  command = COMMANDS[name]
  before = set(FLAGS)  # those of libraries
  try:
    command.define()  # reads a --flagfile already
  except flags.Error as error:
    return _stop(_plain(error), 2)
  # `from` is no name for ml_collections, which reads sys.argv: in place.
  spelling = '--config.init.from=', '--config.init.workdir='
  argv[2:] = [each.replace(*spelling, 1) for each in argv[2:]]
  arguments = argv[2:]
  if any(a in ('--help', '-h', '-help', '--helpfull') for a in arguments):
    print(_command_help(name, command, [flag for flag in FLAGS if flag not in before]))
    return 0
  if hasattr(command, 'POSITIONAL'):
    flag = f'--{command.POSITIONAL}='
    arguments = [a if a.startswith('-') else flag + a for a in arguments]
  try:
    rest = FLAGS([f'launch.py {name}', *arguments])
  except Exception as error:  # a config file is code and may raise anything
    return _stop(_of_a_config(error), 2)
  if len(rest) > 1:
    return _stop(f'unexpected argument {rest[1]!r}; flags are written --name=value', 2)
  run = functools.partial(_after_limits, command.run)
  if getattr(command, 'SEVERAL_HOSTS', False):
    from gan_jax.runtime import processes

    if processes.asked_for(os.environ):
      run = functools.partial(_one_of_several, run)
  return _guarded(run)


def _after_limits(run: Callable[[], None]) -> None:
  """Says first what images of medicine are not for, on the first host alone; then runs."""
  from gan_jax.commands import limits
  from gan_jax.runtime import processes

  first = True
  if processes.asked_for(os.environ):
    from gan_jax.runtime import hosts

    first = hosts.is_first()
  if first:
    limits.say_first()
  run()


def _guarded(run: Callable[[], None]) -> int:
  # TFDS and Orbax warn of what is normal here, and log what they raise all the same.
  absl_logging.set_verbosity(absl_logging.FATAL)
  logging.basicConfig(format='%(message)s', force=True)  # absl has put a handler there
  logging.getLogger('gan_jax').setLevel(logging.INFO)
  # Orbax reads in tasks; what fails in one of them is said once, by whoever asked for it.
  logging.getLogger('asyncio').setLevel(logging.CRITICAL)
  from gan_jax.errors import STOPS
  from gan_jax.runtime.preemption import StopSignal

  sys.unraisablehook = _unraisable
  threading.excepthook = _in_a_thread
  try:
    with StopSignal() as signals, signals.at_once('stopped; run the same command again'):
      run()
  except STOPS as stop:
    return _stop(str(stop), stop.exit_code)
  except flags.Error as error:
    return _stop(str(error), 2)
  except KeyboardInterrupt:
    return _stop('interrupted', 130)
  except Exception as error:
    text = _of_the_system(error)
    if text is None:
      raise
    return _stop(text, 1)
  return 0


def _one_of_several(run: Callable[[], None]) -> None:
  """Runs a command as one of several processes; what stops it ends this one."""
  import jax

  from gan_jax.errors import STOPS
  from gan_jax.runtime import hosts

  hosts.join()
  try:
    run()
  except STOPS as stop:
    hosts.leave(_stop(str(stop), stop.exit_code), agreed=True)
  except OSError as error:
    hosts.leave(_stop(_of_the_system(error) or str(error), 1), agreed=False)
  except jax.errors.JaxRuntimeError as error:
    found = ' '.join(str(error).split())[:200]
    hosts.leave(_stop(f'another host is gone, or this one failed: {found}', 1), agreed=False)
  except Exception:
    traceback.print_exc()
    hosts.leave(1, agreed=False)


def _unraisable(raised: Any) -> None:
  """Leaves out what the rest of a failed read says when nobody waits for it any more."""
  if str(raised.exc_value) != 'Event loop is closed':
    sys.__unraisablehook__(raised)


def _in_a_thread(raised: Any) -> None:
  """Says in a line what the system refused to a thread, such as one that writes a checkpoint."""
  text = raised.exc_value and _of_the_system(raised.exc_value)
  if text:
    print(f'! {text}', file=sys.stderr)
  else:
    threading.__excepthook__(raised)


def _of_the_system(error: BaseException) -> str | None:
  """A line of what the disk or the system refused; None for an error of anything else."""
  from gan_jax.errors import of_the_system

  found = of_the_system(error, _ROOM)
  if found is None or found.errno is None:
    return None
  file = f'{found.filename}: ' if found.filename else ''
  return f'{file}{os.strerror(found.errno)}{_ROOM.get(found.errno, "")}'


def _of_a_config(error: Exception) -> str:
  """What went wrong while flags were read; first where, if that is in a config file."""
  behind: BaseException | None = error
  while behind is not None:
    if isinstance(behind, Exception) and (place := _where(behind)):
      return place + _plain(behind)
    behind = behind.__cause__ or behind.__context__
  return _plain(error)


def _where(error: Exception) -> str:
  """File and line of what a config file, or another file of the user's, got wrong; else ''."""
  if isinstance(error, SyntaxError) and error.filename:
    return f'{error.filename}:{error.lineno}: '
  place = ''
  for frame, line in traceback.walk_tb(error.__traceback__):
    file = frame.f_code.co_filename
    if frame.f_code.co_name in ('<module>', 'get_config') and not frame.f_globals.get(
      '__name__', ''
    ).startswith(('gan_jax', 'absl', 'importlib', '__main__')):
      place = f'{os.path.relpath(file)}:{line}: {type(error).__name__}: '
  return place


def _plain(error: Exception) -> str:
  """The message of an error on one line; ml_collections quotes that of an unknown key."""
  text = error.msg if isinstance(error, SyntaxError) else str(error).removeprefix('ERROR:: ')
  if isinstance(error, KeyError | AttributeError) or text.startswith(("'", '"')):
    text = 'unknown config key ' + text.strip('\'"').replace("\\'", "'").replace('\\n', '; ')
  missing = re.fullmatch(r'flag --(\w+)=None: Flag --\1 must have a value other than None\.', text)
  if missing:
    return f'--{missing[1]}: is needed; --help says what it takes'
  return ' '.join(text.split())


def _stop(message: str, code: int) -> int:
  from gan_jax.text import printable

  line = printable(message).replace('\n', '\\n')  # a name may hold the end of one
  print(f'launch.py: {line}', file=sys.stderr)
  return code


if __name__ == '__main__':
  sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
  from gan_jax.runtime import memory, preemption

  memory.restart_with_large_pages()
  # Imports and tracing make objects that stay: to look through them again and again is a tenth of
  # a start.
  gc.set_threshold(50_000, 20, 100)
  try:
    status = main(sys.argv)
    for number in preemption.SIGNALS:  # what is done is done
      signal.signal(number, signal.SIG_IGN)
    sys.stdout.flush()
  except BrokenPipeError:  # whoever reads what is printed has seen enough, such as `head`
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to be flushed
    status = 0
  except KeyboardInterrupt:
    print('launch.py: interrupted', file=sys.stderr)
    status = 130
  if status in (75, 130):
    # Stopped in the middle of something: devices and threads may still be at work, and taking them
    # down one by one can hang or crash.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
  sys.exit(status)
