"""Finds modules by name: `config.model.name = 'r3gan'` is `gan_jax/models/r3gan.py`."""

import importlib
import pkgutil
from types import ModuleType

from gan_jax.errors import UserError, nearest


def names(room: str, having: str) -> list[str]:
  """Names of the modules of `gan_jax.<room>` whose source defines `having`."""
  package = importlib.import_module(f'gan_jax.{room}')
  found = []
  for module in pkgutil.iter_modules(package.__path__):
    spec = module.module_finder.find_spec(module.name, None)
    if spec is None or spec.origin is None:
      continue
    with open(spec.origin, encoding='utf-8') as file:
      source = file.read()
    if any(line.startswith((f'def {having}(', f'class {having}(')) for line in source.split('\n')):
      found.append(module.name)
  return sorted(found)


def find(room: str, name: str, having: str, key: str) -> ModuleType:
  """Imports `gan_jax.<room>.<name>`.

  Args:
    room: subpackage, such as `models`.
    name: the module's name, as a config gives it.
    having: a function or class that every module of its kind defines.
    key: the config key that holds the name, for the message.

  Raises:
    UserError: where there is no such module.
  """
  accepted = names(room, having)
  if name not in accepted:
    raise UserError(f'config.{key}={name!r}: unknown; {nearest(name, accepted)}')
  return importlib.import_module(f'gan_jax.{room}.{name}')
