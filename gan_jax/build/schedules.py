"""Turns a value of a config, with what it becomes, into a schedule over images shown."""

from ml_collections import ConfigDict

from gan_jax.errors import UserError
from gan_jax.training import optim


def schedule(config: ConfigDict, section: ConfigDict, key: str) -> optim.Schedule:
  """The schedule of a section's key, of its `_final` and its `_warmup`."""
  final, warmup = section.get(f'{key}_final'), section.get(f'{key}_warmup') or 0
  return optim.cosine(section[key], final, config.anneal_images, warmup)


def check_schedules(config: ConfigDict) -> None:
  """Raises UserError for a final value that is never reached."""
  for section, keys_of in config.items():
    finals = keys_of.items() if isinstance(keys_of, ConfigDict) else ()
    for key, value in finals:
      if key.endswith('_final') and value is not None and config.anneal_images <= 0:
        raise UserError(
          f'config.{section}.{key}={value}: needs config.anneal_images, the images over which it '
          f'is reached; found {config.anneal_images}, accepted: a positive number'
        )
