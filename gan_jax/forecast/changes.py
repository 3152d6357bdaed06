"""What to change where a run does not fit its devices, each change with its own forecast."""

import math
from collections.abc import Iterator
from typing import NamedTuple

from ml_collections import ConfigDict

from gan_jax import build, registry
from gan_jax.build import sections
from gan_jax.errors import UserError
from gan_jax.forecast import costs, result
from gan_jax.forecast.costs import Images
from gan_jax.forecast.result import Forecast, Options
from gan_jax.forecast.targets import Target

_LAZY = 16  # steps between two penalties (StyleGAN2, arXiv:1912.04958, appendix B)
_WIDTHS = ('width', 'discriminator_width', 'max_width', 'channel_base', 'channel_max', 'widths')


class Change(NamedTuple):
  """A change, as a command line has it, and the run with it."""

  flags: str
  forecast: Forecast


def changes(
  config: ConfigDict, images: Images, target: Target, options: Options, found: Forecast
) -> list[Change]:
  """Forecasts the changes that save memory, where the config can have them.

  Args:
    config: of a run that does not fit.
    images: that it is trained on.
    target: its devices.
    options: how.
    found: the forecast of the run as it is.
  """
  made = []
  for keys in _candidates(config, found):
    changed = _changed(config, keys)
    flags = ' '.join(f'--config.{key}={_value(value)}' for key, value in keys.items())
    try:
      result.check(changed, target)
      costs.step_of(changed, images, target.devices)
    except UserError:
      continue  # this config cannot have it
    options.say(f'with {flags} …')
    forecast = result.forecast(changed, images, target, options, run=False)
    if forecast.memory_bytes < found.memory_bytes:  # of few activations, to make them again costs
      made.append(Change(flags, forecast))
  return made


def _candidates(config: ConfigDict, found: Forecast) -> Iterator[dict[str, object]]:
  """Keys with other values."""
  batch = result.largest_batch([found])
  if 0 < batch < config.train.batch_size:
    yield {'train.batch_size': batch}
  yield {'train.accumulate': _parts(config, found)}
  own = _sections(config)
  for name in ('bfloat16', 'remat'):
    keys: dict[str, object] = {}
    for section in own:
      if f'{name}_stages' in config[section]:
        keys[f'{section}.{name}_stages'] = _stages(config, section, f'{name}_stages')
      elif name in config[section]:
        keys[f'{section}.{name}'] = True
    if any(_get(config, key) != value for key, value in keys.items()):
      yield keys
  for part in sections.names(config.regularisers, 'regularisers'):
    name = sections.name_of(part)
    module = registry.find(sections.REGULARISERS, part, 'regularisers')
    if config[name].interval == 1 and not hasattr(module, 'image_gradient'):
      yield {f'{name}.interval': _LAZY}
  narrower = {
    f'{section}.{key}': _half(config[section][key])
    for section in own
    for key in _WIDTHS
    if config[section].get(key)
  }
  if narrower:
    yield narrower


def _parts(config: ConfigDict, found: Forecast) -> int:
  """Parts of a batch, a power of two, that bring its activations into what is left for them."""
  left = found.limit_bytes - (found.memory_bytes - found.cost.memory.temporary)
  times = found.cost.memory.temporary / left if left > 0 else 1
  share = config.train.batch_size // found.target.devices
  wanted = config.train.accumulate * 2 ** max(1, math.ceil(math.log2(max(times, 1))))
  return max(1, min(wanted, share))


def _sections(config: ConfigDict) -> list[str]:
  """The sections of the config's networks."""
  names = [config.model.name, config.model.get('discriminator', '')]
  return list(dict.fromkeys(sections.name_of(name) for name in names if name))


def _stages(config: ConfigDict, section: str, key: str) -> int:
  """The most stages that the networks accept for a setting."""
  for count in range(int(math.log2(max(build.image_size(config)))), config[section][key], -1):
    changed = _changed(config, {f'{section}.{key}': count})
    try:
      build.recipe(changed, build.networks(changed, 3, 1), devices=1)
    except UserError:
      continue
    return count
  return int(config[section][key])


def _half(value: object) -> object:
  if isinstance(value, int):
    return max(1, value // 2)
  assert isinstance(value, tuple)
  return tuple(max(1, each // 2) for each in value)


def _get(config: ConfigDict, key: str) -> object:
  section, name = key.split('.')
  return config[section][name]


def _changed(config: ConfigDict, keys: dict[str, object]) -> ConfigDict:
  changed = config.copy_and_resolve_references()
  for key, value in keys.items():
    section, name = key.split('.')
    changed[section][name] = value
  return changed


def _value(value: object) -> str:
  text = str(value)
  return f'"{text}"' if isinstance(value, tuple) else text
