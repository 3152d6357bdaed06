"""Finds modules by name: `config.model.name = 'r3gan'` is `gan_jax/models/r3gan.py`.

A name that ends in `.py` is a file of the user's own, found by its path from the working directory.
"""

import functools
import hashlib
import importlib
import importlib.util
import os
import pathlib
import pkgutil
import sys
from types import ModuleType

from gan_jax.errors import UserError, nearest

# What a module of a room defines; the first is what it is found by.
PARTS = {
  'models': ('Discriminator', 'Generator'),
  'training.losses': ('d_loss', 'g_loss'),
  'training.regularisers': ('Settings',),
  'training.augment': ('augment', 'Settings'),
  'metrics': ('compute', 'SCORES', 'NEEDS'),
  'features': ('load', 'RESIZES', 'TAKES_WEIGHTS'),
  'data.datasets': ('Builder',),
  'audit': ('audit', 'Settings'),
}


def names(room: str) -> list[str]:
  """Names of the modules of `gan_jax.<room>` that are of its kind, by their source."""
  package = importlib.import_module(f'gan_jax.{room}')
  # Every config asks for all rooms: their files are read once, until a folder has others.
  state = tuple((folder, os.stat(folder).st_mtime_ns) for folder in package.__path__)
  return list(_names(PARTS[room][0], state))


@functools.cache
def _names(having: str, folders: tuple[tuple[str, int], ...]) -> tuple[str, ...]:
  """Names of the modules in folders, each with its time of change, that define something."""
  found = []
  for module in pkgutil.iter_modules([folder for folder, _ in folders]):
    spec = module.module_finder.find_spec(module.name, None)
    if spec is None or spec.origin is None:
      continue
    source = pathlib.Path(spec.origin).read_text(encoding='utf-8')
    if any(line.startswith((f'def {having}(', f'class {having}')) for line in source.split('\n')):
      found.append(module.name)
  return tuple(sorted(found))


def find(room: str, name: str, key: str, needed: tuple[str, ...] | None = None) -> ModuleType:
  """Imports `gan_jax.<room>.<name>`, or the file that the name is the path of.

  Args:
    room: subpackage, such as `models`.
    name: the module's name, as a config gives it, or the path of a `.py` file.
    key: the config key that holds the name, for the message.
    needed: what it has to define; None: all of `PARTS`.

  Raises:
    UserError: where there is no such module, it cannot be imported, or lacks a part.
  """
  if name.endswith('.py'):
    module = load(name, f'config.{key}')
  else:
    accepted = names(room)
    if name not in accepted:
      hint = nearest(name, accepted)
      raise UserError(f'config.{key}={name!r}: unknown; {hint}, or the path of a .py file')
    module = importlib.import_module(f'gan_jax.{room}.{name}')
  missing = [
    part for part in (PARTS[room] if needed is None else needed) if not hasattr(module, part)
  ]
  if missing:
    raise UserError(
      f'config.{key}={name!r}: defines no {" and no ".join(missing)}; what a module of this kind '
      f'defines is in gan_jax/{room.replace(".", "/")}/__init__.py'
    )
  return module


def own_files(values: object) -> dict[str, str]:
  """The digests of the user's own files that a config names, by name as it stands there."""
  if isinstance(values, dict):
    return {k: v for inner in values.values() for k, v in own_files(inner).items()}
  if isinstance(values, list | tuple):
    return {k: v for inner in values for k, v in own_files(inner).items()}
  if isinstance(values, str) and values.endswith('.py') and pathlib.Path(values).is_file():
    return {values: hashlib.sha256(pathlib.Path(values).read_bytes()).hexdigest()}
  return {}


def load(name: str, key: str) -> ModuleType:
  """Imports a file of the user's own, once for the same content.

  Args:
    name: its path.
    key: the config key or flag that holds it, for messages.

  Raises:
    UserError: where it cannot be read or imported.
  """
  path = pathlib.Path(name).expanduser()
  try:
    content = path.read_bytes()
  except OSError as error:
    raise UserError(f'{key}={str(path)!r}: {error.strerror}') from error
  name = f'gan_jax_own_{hashlib.sha256(str(path.resolve()).encode() + content).hexdigest()[:16]}'
  if name in sys.modules:
    return sys.modules[name]
  # As if it were a package: TFDS looks for a builder's metadata beside it.
  beside = [str(path.resolve().parent)]
  spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=beside)
  assert spec is not None
  module = importlib.util.module_from_spec(spec)
  sys.modules[name] = module  # dataclasses look their module up while it is being imported
  try:
    # These very bytes: what the interpreter keeps may be of another file, as old and as large.
    exec(compile(content, str(path), 'exec', dont_inherit=True), module.__dict__)
  except Exception as error:  # whatever a user's file may raise
    del sys.modules[name]
    found = ' '.join(f'{type(error).__name__}: {error}'.split())
    raise UserError(f'{key}={str(path)!r}: cannot be imported: {found}') from error
  return module
