"""Config sections out of modules: the keys of a part stand in its own file.

A regulariser and an augmentation have a dataclass `Settings`; a model has the fields of its
networks.
"""

import dataclasses
import pathlib
from types import ModuleType
from typing import Any

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder

from gan_jax import registry
from gan_jax.errors import UserError, nearest

REGULARISERS, AUGMENTATIONS, MODELS = 'training.regularisers', 'training.augment', 'models'

# Fields of networks that the run decides rather than their section.
_OF_THE_RUN = {
  *('resolution', 'channels', 'latent_size', 'num_classes', 'axis_name', 'batch_parts'),
  *('parent', 'name'),
}


def all_sections() -> dict[str, ConfigDict]:
  """The sections of all models, regularisers and augmentations that are there, with defaults."""
  found = {}
  for room in (MODELS, REGULARISERS, AUGMENTATIONS):
    for name in registry.names(room):
      found[name] = of_module(room, registry.find(room, name, '', registry.PARTS[room][:1]))
  return found


def of_module(room: str, module: ModuleType) -> ConfigDict:
  """The section of a module of a room, with its defaults."""
  if room == MODELS:
    return section_of_model(module)
  if room == REGULARISERS:
    return section_of(module)
  return ConfigDict(dataclasses.asdict(module.Settings()))


def section_of_model(module: ModuleType) -> ConfigDict:
  """The fields of a model's networks that are its own, with their defaults.

  Raises:
    UserError: for a field without a default, that nobody could give.
  """
  section = ConfigDict()
  networks = (getattr(module, part, None) for part in ('Generator', 'Discriminator'))
  for network in filter(None, networks):
    for name, field in network.__dataclass_fields__.items():
      if name in _OF_THE_RUN or not field.init:
        continue
      if field.default is dataclasses.MISSING:
        raise UserError(
          f'{module.__file__}: {network.__name__}.{name} has no default; accepted: fields with '
          f'one, which become keys of the config, beside {", ".join(sorted(_OF_THE_RUN))}'
        )
      section[name] = field.default
  return section


def needed_of_model(config: ConfigDict) -> tuple[str, ...]:
  """What the module of `model.name` has to define: both networks, where no other one judges."""
  return ('Generator',) if config.model.get('discriminator', '') else ('Generator', 'Discriminator')


def section_of(regulariser: ModuleType) -> ConfigDict:
  """A regulariser's own keys, and those that all of them have."""
  section = ConfigDict(dataclasses.asdict(regulariser.Settings()))
  section.weight_final = placeholder(float)
  section.weight_warmup = 0.0
  section.interval = 1
  return section


def name_of(part: str) -> str:
  """The section of a module: its name, or that of the user's file without folder and ending."""
  return pathlib.Path(part).stem


def settings_of(config: ConfigDict, part: str, module: ModuleType, accepted: ConfigDict) -> Any:
  """The `Settings` of a module as the config's section gives them, and its other keys.

  Args:
    config: of the run; a section that is not there leaves all defaults.
    part: name or path of the module.
    module: that has `Settings`.
    accepted: the keys that the section may have, with their defaults.

  Returns:
    The settings, and the whole section.

  Raises:
    UserError: for a key that the module does not have.
  """
  name, section = name_of(part), accepted.copy_and_resolve_references()
  for key, value in config.get(name, {}).items():
    if key not in accepted:
      raise UserError(f'config.{name}.{key}: {name} has no such key; {nearest(key, accepted)}')
    section[key] = value
  fields = {field.name for field in dataclasses.fields(module.Settings)}
  return module.Settings(**{k: v for k, v in section.items() if k in fields}), section


def names(value: Any, key: str) -> tuple[str, ...]:
  """Names out of a config's tuple, of which each may be several with commas between.

  So `--config.regularisers=r1,lecam` is as good as `--config.regularisers="('r1','lecam')"`.

  Raises:
    UserError: for one that is there twice, or is none.
  """
  if isinstance(value, str) or not all(isinstance(each, str) for each in value):
    raise UserError(f'config.{key}={value!r}: accepted: a tuple of names')
  found = tuple(name.strip() for each in value for name in each.split(',') if name.strip())
  own = [name_of(name) for name in found]
  for name in own:
    if own.count(name) > 1:
      raise UserError(f'config.{key}: {name} is there twice; accepted: each once')
  return found
