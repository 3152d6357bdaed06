"""Makes the regularisers that a config names."""

from ml_collections import ConfigDict

from gan_jax import registry
from gan_jax.build import sections
from gan_jax.build.schedules import schedule
from gan_jax.errors import UserError
from gan_jax.training.recipe import Regulariser


def regularisers(config: ConfigDict) -> tuple[Regulariser, ...]:
  """The regularisers that a config names and that have a weight at some time."""
  made = []
  for part in sections.names(config.regularisers, 'regularisers'):
    module = registry.find(sections.REGULARISERS, part, 'regularisers')
    accepted = sections.section_of(module)
    settings, section = sections.settings_of(config, part, module, accepted)
    name = sections.name_of(part)
    interval = section.interval
    if interval < 1 or (interval > 1 and hasattr(module, 'image_gradient')):
      raise UserError(f'config.{name}.interval={interval}: accepted: 1, or more for a term')
    if section.weight or section.weight_final:
      weight = schedule(config, section, 'weight')
      made.append(Regulariser(name, module, settings, weight, interval))
  return tuple(made)


def share_of_updates(config: ConfigDict, part: str) -> float:
  """Of a player's updates, those of its loss: k / (k + 1) with a lazy update every k steps."""
  intervals = {r.interval for r in regularisers(config) if r.has(part) and r.interval > 1}
  return 1 / (1 + sum(1 / k for k in intervals))
