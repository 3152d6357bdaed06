"""Finds audits by name, gives each its settings, and runs them."""

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from gan_jax import registry
from gan_jax.audit.result import Result, Sentence
from gan_jax.audit.subject import Subject
from gan_jax.errors import UserError, nearest

DEFAULT = ('representation', 'scope', 'memorisation')  # in this order; `utility` takes longer


def chosen(names: Sequence[str] | None) -> dict[str, ModuleType]:
  """The modules of audits by name; None: those that take minutes, `('all',)`: every one.

  Raises:
    UserError: for a name that is unknown or there twice.
  """
  known = registry.names('audit')
  if names is None:
    names = [name for name in DEFAULT if name in known]
  elif tuple(names) == ('all',):
    names = known
  for name in names:
    if name not in known and not name.endswith('.py'):
      raise UserError(f'--audits={name}: unknown; {nearest(name, [*known, "all"])}')
    if list(names).count(name) > 1:
      raise UserError(f'--audits={",".join(names)}: {name} is there twice')
  return {name: registry.find('audit', name, 'audits') for name in names}


def settings_of(modules: Mapping[str, ModuleType], given: Mapping[str, Any]) -> dict[str, Any]:
  """The settings of each audit: what is given goes to every one that has a field of that name.

  Raises:
    UserError: for what none of them has.
  """
  for key in given:
    if not any(key in module.Settings._fields for module in modules.values()):
      raise UserError(f'--{key}: has no part in --audits={",".join(modules)}; leave it out')
  return {
    name: module.Settings(**{k: v for k, v in given.items() if k in module.Settings._fields})
    for name, module in modules.items()
  }


def conduct(
  subject: Subject, modules: Mapping[str, ModuleType], settings: Mapping[str, Any]
) -> list[Result]:
  """Runs audits one after the other; one that cannot be had says so, and the others go on.

  Raises:
    UserError: where none can be had, as `NonFiniteError`.
  """
  results: list[Result] = []
  refused: list[UserError] = []
  for name, module in modules.items():
    subject.watch(f'audit: {name}', 0, 0)
    try:
      results.append(module.audit(subject, settings[name]))
    except UserError as error:
      refused.append(error)
      results.append(Result(name, name.capitalize(), (Sentence(str(error), 'unknown'),)))
  if refused and len(refused) == len(modules):
    raise refused[0]
  return results
