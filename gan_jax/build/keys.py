"""Every key of `configs/default.py` and the values that it accepts, checked in one place.

The sections of models, regularisers and augmentations come from their own files, which know their
keys: here, their numbers are held to be numbers, and those that all regularisers have to be in
range.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from gan_jax import registry
from gan_jax.build import sections
from gan_jax.errors import UserError, nearest
from gan_jax.training.precision import PRECISIONS


class Numbers(NamedTuple):
  """Finite numbers from `low` to `high`, ends included unless they are open.

  Attributes:
    whole: integers alone.
    optional: None is accepted, too.
  """

  low: float = -math.inf
  high: float = math.inf
  low_open: bool = False
  high_open: bool = False
  whole: bool = False
  optional: bool = False

  def refuses(self, value: Any) -> str:
    """What is accepted, where the value is not; else ''."""
    if value is None and self.optional:
      return ''
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and (isinstance(value, int) or (math.isfinite(value) and not self.whole)):
      above = value > self.low if self.low_open else value >= self.low
      below = value < self.high if self.high_open else value <= self.high
      if above and below:
        return ''
    kind = 'integers' if self.whole else 'numbers'
    if (self.low == 0 and self.low_open) or (self.whole and self.low == 1):
      kind = f'positive {kind}'
    elif self.low > -math.inf:
      kind += f' above {self.low:g}' if self.low_open else f' from {self.low:g}'
    if self.high < math.inf:
      kind += f' below {self.high:,g}' if self.high_open else f' to {self.high:,.15g}'
    return f'{kind}, or None' if self.optional else kind


class Kind(NamedTuple):
  """Values of some types, of which other places know more.

  Attributes:
    types: accepted.
    name: of them, for a message.
    each: type of each of the values within; None: any.
  """

  types: tuple[type, ...]
  name: str
  each: type | None = None

  def refuses(self, value: Any) -> str:
    """What is accepted, where the value is not; else ''."""
    if not isinstance(value, self.types):
      return self.name
    kind = self.each
    within: Any = value
    return '' if kind is None or all(isinstance(each, kind) for each in within) else self.name


class Choice(NamedTuple):
  """One of some words, or None."""

  words: tuple[str, ...]

  def refuses(self, value: Any) -> str:
    """What is accepted, where the value is not; else ''."""
    return '' if value is None or value in self.words else f'{", ".join(self.words)} or None'


TEXT = Kind((str,), 'text')
SWITCH = Kind((bool,), 'True or False')
NAMES = Kind((tuple, list), 'a tuple of names', str)
COUNT = Numbers(1, 2**31 - 1, whole=True)
# Images are counted in 32 bits without a sign; the last step may go some way beyond the length.
_MOST_IMAGES = 4_000_000_000
IMAGES = Numbers(1, _MOST_IMAGES, whole=True)
NOT_NEGATIVE = Numbers(0)
SHARE = Numbers(0, 1)
_IMAGES = Numbers(0, _MOST_IMAGES)

_PRECISION = Choice(PRECISIONS)

_OPTIMIZER = {
  'learning_rate': NOT_NEGATIVE,
  'learning_rate_final': Numbers(0, optional=True),
  'learning_rate_warmup': _IMAGES,
  'beta1': Numbers(0, 1, high_open=True),
  'beta2': Numbers(0, 1, high_open=True),
  'beta2_final': Numbers(0, 1, high_open=True, optional=True),
  'epsilon': Numbers(0, low_open=True),
  'weight_decay': NOT_NEGATIVE,
  'clip_norm': Numbers(0, low_open=True, optional=True),
  'moments': _PRECISION,
}

KEYS: dict[str, Any] = {
  'seed': Numbers(0, 2**32 - 1, whole=True),
  'anneal_images': _IMAGES,
  'regularisers': NAMES,
  'dataset': {
    **{'name': TEXT, 'split': TEXT, 'holdout_split': TEXT, 'data_dir': TEXT},
    'resolution': COUNT,
    'width': Numbers(1, 2**31 - 1, whole=True, optional=True),
    **{'flip': SWITCH, 'balanced': SWITCH, 'balanced_by': TEXT, 'at_most': NAMES},
    'class_group': COUNT,
    'memory_budget_mb': NOT_NEGATIVE,
    'prefetch_batches': COUNT,
  },
  'model': {'name': TEXT, 'discriminator': TEXT, 'conditional': SWITCH, 'latent_size': COUNT},
  'loss': {'name': TEXT},
  'labels': {'fakes': TEXT, 'weights': Kind((tuple, list), 'a tuple of numbers')},
  'init': {
    'workdir': TEXT,
    'step': Numbers(0, 2**31 - 1, whole=True, optional=True),
    **{'weights': TEXT, 'players': TEXT, 'least_share': SHARE, 'freeze': NAMES},
    'grow': Kind((bool, type(None)), 'True, False or None'),
  },
  'augment': {
    'names': NAMES,
    **{'strength': SHARE, 'strength_final': Numbers(0, 1, optional=True)},
    **{'strength_warmup': _IMAGES, 'pseudo': SWITCH, 'adaptive': SWITCH},
    'target': Numbers(-1, 1),
    **{'ramp_images': Numbers(0, low_open=True), 'interval': COUNT},
    **{'initial': SHARE, 'maximum': SHARE},
  },
  'generator_optimizer': _OPTIMIZER,
  'discriminator_optimizer': _OPTIMIZER,
  'ema': {
    'half_life_images': NOT_NEGATIVE,
    'half_life_images_final': Numbers(0, optional=True),
    'ramp': NOT_NEGATIVE,
    'precision': _PRECISION,
  },
  'train': {
    'images': IMAGES,
    'seconds': Numbers(0, low_open=True, optional=True),
    **{'batch_size': COUNT, 'd_steps': COUNT, 'accumulate': COUNT},
    'memory_gb': Numbers(0, optional=True),
    **{'share_batch': SWITCH, 'diagnose': SWITCH},
    **{'log_images': IMAGES, 'sample_images': IMAGES, 'checkpoint_images': IMAGES},
    'rollbacks': Numbers(0, 2**31 - 1, whole=True),
  },
  'checkpoint': {
    'keep_last': COUNT,
    'keep_best': Numbers(0, 2**31 - 1, whole=True),
    'best_score': TEXT,
  },
  'evaluate': {
    'images': Numbers(0, whole=True),
    **{'num_samples': COUNT, 'num_reals': COUNT, 'batch_size': COUNT},
    **{'features': NAMES, 'metrics': NAMES, 'halves': SWITCH, 'resize': TEXT},
    'allow_trained_features': SWITCH,
    'weights': {'inception_v3': TEXT, 'dinov2_vits14': TEXT},
  },
  'sample': {'columns': COUNT, 'rows': COUNT},
}

# What all regularisers have, see `sections.section_of`.
_OF_REGULARISERS = {
  'weight': NOT_NEGATIVE,
  'weight_final': Numbers(0, optional=True),
  'weight_warmup': _IMAGES,
  'interval': COUNT,
  'one_in': COUNT,  # of those that look at a part of the batch
}


def check_keys(config: ConfigDict) -> None:
  """Raises UserError for a key that there is not, and for a value that its key does not accept."""
  own = _own_sections(config)
  for path, value, accepted in _walk(config, {**KEYS, **own}, ''):
    if isinstance(accepted, list):
      raise UserError(f'config.{path}: there is no such key; {nearest(path, accepted)}')
    problem = accepted.refuses(value)
    if problem:
      raise UserError(f'config.{path}={value!r}: accepted: {problem}')


def _walk(config: Any, accepted: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
  """Each value with what accepts it, or with the keys that there are where it has none."""
  for key, value in config.items():
    place = f'{path}{key}'
    rule = accepted.get(key)
    if rule is None:
      yield place, value, [f'{path}{name}' for name in accepted]
    elif not isinstance(rule, dict):
      yield place, value, rule
    elif isinstance(value, ConfigDict):
      yield from _walk(value, rule, f'{place}.')
    else:
      yield place, value, Kind((ConfigDict,), 'a section: ' + ', '.join(rule))


def _own_sections(config: ConfigDict) -> dict[str, dict[str, Any]]:
  """The rules of the sections of models, regularisers and augmentations, also the user's own."""
  regularisers = registry.names(sections.REGULARISERS)
  found = {
    name: _rules(section, name in regularisers) for name, section in sections.all_sections().items()
  }
  parts = {
    (sections.REGULARISERS, 'regularisers'): config.get('regularisers', ()),
    (sections.AUGMENTATIONS, 'augment.names'): config.get('augment', {}).get('names', ()),
    (sections.MODELS, 'model.name'): (config.model.name,),
    (sections.MODELS, 'model.discriminator'): (config.model.get('discriminator', ''),),
  }
  needed = {
    'model.name': sections.needed_of_model(config),
    'model.discriminator': ('Discriminator',),
  }
  for (room, key), names in parts.items():
    for part in sections.names(names, key):
      if part.endswith('.py'):
        section = sections.of_module(room, registry.find(room, part, key, needed.get(key)))
        found[sections.name_of(part)] = _rules(section, room == sections.REGULARISERS)
  return found


def _rules(section: ConfigDict, regulariser: bool) -> dict[str, Any]:
  """What a section of a module accepts: values of the kind of its defaults."""
  rules: dict[str, Any] = {}
  for key, default in section.items():
    if regulariser and key in _OF_REGULARISERS:
      rules[key] = _OF_REGULARISERS[key]
    elif isinstance(default, bool):
      rules[key] = SWITCH
    elif isinstance(default, int | float):
      rules[key] = Numbers(whole=isinstance(default, int))
    elif default is None:
      rules[key] = Kind((object,), 'anything')
    else:
      rules[key] = Kind((type(default), tuple, list), type(default).__name__)
  return rules
