"""Makes the networks of a config and their optimisers."""

import difflib
from types import ModuleType
from typing import Any, NamedTuple

import optax
from flax import linen as nn
from ml_collections import ConfigDict

from gan_jax import registry
from gan_jax.build import sections
from gan_jax.build.data import image_size
from gan_jax.build.regularisers import share_of_updates
from gan_jax.build.schedules import schedule
from gan_jax.errors import UserError
from gan_jax.pretrained import efficientnet_lite
from gan_jax.runtime import parallel
from gan_jax.training import optim, transfer


class Networks(NamedTuple):
  """Both players of a run, with their optimisers."""

  generator: nn.Module
  discriminator: nn.Module
  generator_tx: optax.GradientTransformation
  discriminator_tx: optax.GradientTransformation


def networks(config: ConfigDict, channels: int, num_classes: int) -> Networks:
  """Makes the modules and optimisers of a config; see `modules`."""
  optimisers = (_optimiser(config, player) for player in ('generator', 'discriminator'))
  return Networks(*modules(config, channels, num_classes), *optimisers)


def modules(config: ConfigDict, channels: int, num_classes: int) -> tuple[nn.Module, nn.Module]:
  """Makes the generator and the discriminator of a config.

  Args:
    config: of the run.
    channels: of its images.
    num_classes: of its dataset; used where `config.model.conditional`.

  Raises:
    UserError: for an unknown model, or one that cannot make these images.
  """
  of_generator, of_discriminator = model_modules(config)
  common = {
    'resolution': image_size(config),
    'channels': channels,
    'num_classes': num_classes if config.model.conditional else 0,
    'axis_name': parallel.AXIS,
  }
  names = {config.model.name: of_generator, judge_name(config): of_discriminator}
  for name, module in names.items():
    _check_section(config, name, module)
  pick = lambda name, network: {
    k: v for k, v in config.get(sections.name_of(name), {}).items() if k in _fields(network)
  }
  generator = of_generator.Generator(
    latent_size=config.model.latent_size,
    **common,
    **pick(config.model.name, of_generator.Generator),
  )
  discriminator = of_discriminator.Discriminator(
    **common, **pick(judge_name(config), of_discriminator.Discriminator)
  )
  return generator, discriminator


def model_modules(config: ConfigDict) -> tuple[ModuleType, ModuleType]:
  """The modules of a config's generator and discriminator.

  Raises:
    UserError: for an unknown model, or one without what is asked of it.
  """
  needed = sections.needed_of_model(config)
  of_generator = registry.find(sections.MODELS, config.model.name, 'model.name', needed)
  key = 'model.discriminator' if len(needed) == 1 else 'model.name'
  return of_generator, registry.find(sections.MODELS, judge_name(config), key, ('Discriminator',))


def judge_name(config: ConfigDict) -> str:
  """The name or path of the discriminator's module."""
  return config.model.get('discriminator', '') or config.model.name


def teachers(config: ConfigDict) -> tuple[str, ...]:
  """The feature networks that the discriminator stands on: scores by them are not independent."""
  _, discriminator = modules(config, channels=3, num_classes=0)
  return getattr(discriminator, 'teachers', ())


def teacher_digests(config: ConfigDict) -> dict[str, str]:
  """Digests of the weights of the fixed networks that the discriminator stands on, by name."""
  return {name: efficientnet_lite.digest(name) for name in teachers(config)}


def _check_section(config: ConfigDict, name: str, module: ModuleType) -> None:
  """Raises UserError for a key of a model's section that none of its networks has."""
  networks = (getattr(module, part, None) for part in registry.PARTS[sections.MODELS])
  fields = set().union(*(_fields(network) for network in networks if network))
  section = sections.name_of(name)
  for key in config.get(section, {}):
    if key not in fields:
      near = difflib.get_close_matches(key, fields, n=1)
      hint = f'; did you mean {near[0]!r}?' if near else ''
      raise UserError(f'config.{section}.{key}: {section} has no such key{hint}')


def _fields(module: Any) -> set[str]:
  return set(module.__dataclass_fields__) - {'parent', 'name', 'batch_parts'}


def _optimiser(config: ConfigDict, player: str) -> optax.GradientTransformation:
  adam, frozen = _adam(config, player), names_of(config, player)
  return transfer.freeze(adam, frozen) if frozen else adam


def frozen_names(config: ConfigDict) -> list[str]:
  """The names of `init.freeze`, of which each may be several with commas between."""
  section = config.get('init') or {}
  return [name for each in section.get('freeze', ()) for name in each.split(',') if name]


def names_of(config: ConfigDict, player: str) -> list[str]:
  """What `init.freeze` names of a player, less the player itself."""
  names = frozen_names(config)
  return [name.removeprefix(f'{player}/') for name in names if name.startswith(f'{player}/')]


def _adam(config: ConfigDict, player: str) -> optax.GradientTransformation:
  return optim.adam(adam_settings(config, player))


def adam_settings(config: ConfigDict, player: str) -> optim.Adam:
  """The settings of a player's optimiser."""
  section = config[f'{player}_optimizer']
  return optim.Adam(
    learning_rate=schedule(config, section, 'learning_rate'),
    beta1=section.beta1,
    beta2=schedule(config, section, 'beta2'),
    epsilon=section.epsilon,
    weight_decay=section.weight_decay,
    clip_norm=section.clip_norm,
    share=share_of_updates(config, player),
    moments=section.get('moments') or 'float32',
  )
