"""Flags that several commands share."""

import os
import sys
from collections.abc import Collection
from typing import Any

from absl import flags
from ml_collections import ConfigDict, config_flags

FLAGS = flags.FLAGS


class _PathParser(flags.ArgumentParser[str]):
  """A path, `~` expanded: no shell does it after `--name=`."""

  syntactic_help = 'a path'

  def parse(self, argument: str) -> str:
    return os.path.expanduser(argument)


class _PathsParser(flags.ArgumentParser[Any]):
  """Paths with commas between, or one with commas in it that is there."""

  syntactic_help = 'paths with commas between'

  def parse(self, argument: Any) -> list[str]:
    if isinstance(argument, list):
      return argument
    whole = os.path.expanduser(argument)
    if os.path.exists(whole):
      return [whole]
    return [os.path.expanduser(path) for path in argument.split(',') if path]


def define_path(name: str, default: str | None, help: str, required: bool = False) -> None:
  """Defines a flag that takes a path."""
  flags.DEFINE(_PathParser(), name, default, help, required=required)


def define_paths(name: str, help: str) -> None:
  """Defines a flag that takes one path or several."""
  flags.DEFINE(_PathsParser(), name, None, help)


def define_several_paths(name: str, help: str) -> None:
  """Defines a required flag that takes one path or several, and may be given again for more."""
  serializer: Any = flags.ListSerializer(',')
  flags.DEFINE_multi(_PathsParser(), serializer, name, None, help, required=True)


def define_follow_links() -> None:
  """Defines `--follow_links`."""
  flags.DEFINE_bool(
    'follow_links', False, 'Take what symbolic links in a folder lead to, wherever that is.'
  )


def define_config() -> None:
  """Defines `--config`."""
  config_flags.DEFINE_config_file(
    'config',
    None,
    'Config file of the experiment. --config.KEY=VALUE overrides one key, as in '
    '--config.train.batch_size=128; configs/default.py lists them.',
    lock_config=True,
  )


def config() -> tuple[str, ConfigDict]:
  """The name of the config file, and the config."""
  return os.path.splitext(os.path.basename(config_file()))[0], FLAGS.config


def config_file() -> str:
  """The path of the config file."""
  given = FLAGS['config'].present and config_flags.get_config_filename(FLAGS['config'])
  if not given:
    raise flags.IllegalFlagValueError('--config: name a config file, such as configs/digits.py')
  path = given.split(':')[0]
  if not os.path.isfile(path):
    raise flags.IllegalFlagValueError(f'--config={path}: there is no such file')
  return path


def refuse_beside(flag: str, others: tuple[str, ...]) -> None:
  """Refuses flags that have no part in what another one asks for."""
  for other in others:
    if FLAGS[other].present:
      raise flags.IllegalFlagValueError(
        f'--{other}: has no part in --{flag}; leave one of them out'
      )


def define_processes(further: str = '') -> None:
  """Defines `--processes`, of a command that several hosts run together."""
  text = 'Processes on this machine that work together, as several hosts would'
  flags.DEFINE_integer('processes', 1, f'{text}{further}.', lower_bound=1)


def words_without(names: Collection[str]) -> list[str]:
  """The command's arguments without some flags that take a value, flag files written out."""
  from gan_jax.runtime import processes

  return processes.without_flags(FLAGS.read_flags_from_files(sys.argv[2:]), names)


def run_as_processes(words: list[str]) -> None:
  """Runs this command with other arguments as so many processes as `--processes` says.

  Exits with their code where they do not end well.
  """
  from gan_jax.runtime import processes

  code = processes.run([sys.executable, *sys.argv[:2], *words], FLAGS.processes)
  if code:
    sys.exit(code)
