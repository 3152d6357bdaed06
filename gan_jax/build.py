"""Makes the parts of a run out of its config: the one place where config keys meet functions."""

import difflib
import math
import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import optax
from flax import linen as nn
from ml_collections import ConfigDict

from gan_jax import optim, parallel, registry, steps
from gan_jax.data import pipeline, source
from gan_jax.data.source import ImageDataset
from gan_jax.errors import UserError, nearest
from gan_jax.evaluation import keys
from gan_jax.features import network
from gan_jax.programs import Program
from gan_jax.state import TrainState, initializer


class Networks(NamedTuple):
  """Both players of a run, with their optimisers."""

  generator: nn.Module
  discriminator: nn.Module
  generator_tx: optax.GradientTransformation
  discriminator_tx: optax.GradientTransformation


class Datasets(NamedTuple):
  """The images trained on and the images kept from training."""

  train: ImageDataset
  holdout: ImageDataset


def datasets(config: ConfigDict) -> Datasets:
  """Opens both splits, preparing the dataset where that is needed and possible."""
  opened = {
    split: source.open_dataset(
      config.dataset.name,
      config.dataset[split],
      config.dataset.data_dir,
      image_size(config),
      config.dataset.memory_budget_mb,
    )
    for split in ('split', 'holdout_split')
  }
  found = Datasets(opened['split'], opened['holdout_split'])
  if config.model.conditional and not found.train.num_classes:
    raise UserError(
      f'config.model.conditional=True: dataset {found.train.name} has no labels; accepted: False'
    )
  return found


def describe(config: ConfigDict, found: Datasets) -> dict[str, Any]:
  """What a run's record says of its data."""
  first = found.train
  return {
    'name': config.dataset.name,
    **first.origin,
    'shape': list(first.shape),
    'dtype': first.dtype.name,
    'num_classes': first.num_classes,
    'class_names': first.class_names,
    'fingerprints': {dataset.name: dataset.fingerprint for dataset in found},
  }


def image_size(config: ConfigDict) -> tuple[int, int]:
  """Height and width of the images, pixels."""
  height, width = config.dataset.resolution, config.dataset.get('width')
  return height, height if width is None else width


def networks(config: ConfigDict, channels: int, num_classes: int) -> Networks:
  """Makes the modules and optimisers of a config.

  Args:
    config: of the run.
    channels: of its images.
    num_classes: of its dataset; used where `config.model.conditional`.

  Raises:
    UserError: for an unknown model, or one that cannot make these images.
  """
  module = registry.find('models', config.model.name, 'Generator', 'model.name')
  common = {
    'resolution': image_size(config),
    'channels': channels,
    'num_classes': num_classes if config.model.conditional else 0,
    'axis_name': parallel.AXIS,
  }
  own = dict(config.get(config.model.name, {}))
  unknown = set(own) - _fields(module.Generator) - _fields(module.Discriminator)
  for key in unknown:
    near = difflib.get_close_matches(key, _fields(module.Generator), n=1)
    hint = f'; did you mean {near[0]!r}?' if near else ''
    raise UserError(f'config.{config.model.name}.{key}: {config.model.name} has no such key{hint}')
  pick = lambda module: {k: v for k, v in own.items() if k in _fields(module)}
  generator = module.Generator(
    latent_size=config.model.latent_size, **common, **pick(module.Generator)
  )
  discriminator = module.Discriminator(**common, **pick(module.Discriminator))
  return Networks(
    generator, discriminator, _adam(config, 'generator'), _adam(config, 'discriminator')
  )


def initial_program(config: ConfigDict, parts: Networks) -> Program:
  """The program from the run's key to the state of step 0."""
  return Program(initializer(*parts), _made_of('initial state', config, parts))


def step_program(config: ConfigDict, parts: Networks) -> Program:
  """The train step over all devices; the state's buffers are donated."""
  step = parallel.pmap_step(train_step(config, parts))
  return Program(step, _made_of('train step', config, parts))


def _made_of(what: str, config: ConfigDict, parts: Networks) -> list[Any]:
  """What decides a program of these networks; only keys that cannot be part of it are left out."""
  made_of = config.to_dict()
  for section in ('seed', 'evaluate', 'sample', 'checkpoint'):
    made_of.pop(section)
  for key in ('images', 'log_images', 'sample_images', 'checkpoint_images'):
    made_of['train'].pop(key)
  return [what, made_of, repr(parts.generator), repr(parts.discriminator)]


def shapes(parts: Networks) -> TrainState:
  """The shapes of a state; raises UserError where a network cannot make or score the images."""
  return jax.eval_shape(initializer(*parts), jax.random.key(0))


def train_step(config: ConfigDict, parts: Networks) -> Callable[..., Any]:
  """The train step of a config, for one device or under pmap's axis."""
  loss = registry.find('losses', config.loss.name, 'd_loss', 'loss.name')
  return steps.make_train_step(
    *parts,
    loss,
    batch_size=config.train.batch_size,
    share_batch=config.train.share_batch,
    flip=config.dataset.flip,
    r1_gamma=_weight(config, 'r1_gamma'),
    r2_gamma=_weight(config, 'r2_gamma'),
    ema_half_life=_schedule(config, config.ema, 'half_life_images'),
    ema_ramp=config.ema.ramp,
    axis_name=parallel.AXIS,
  )


def batches(config: ConfigDict, dataset: ImageDataset, step: int) -> Iterator[pipeline.Batch]:
  """This host's batches from a step onwards."""
  return pipeline.batches(
    dataset,
    config.train.batch_size * (1 if config.train.share_batch else 2),
    seed=config.seed,
    start=step,
    host=jax.process_index(),
    hosts=jax.process_count(),
    prefetch=config.dataset.prefetch_batches,
  )


def check(config: ConfigDict) -> None:
  """Raises UserError for values that no run can have, before anything is opened."""
  parallel.check_batch(config.train.batch_size, 'config.train.batch_size')
  positive = {
    'train': ('images', 'log_images', 'sample_images', 'checkpoint_images'),
    'evaluate': ('num_samples', 'num_reals', 'batch_size'),
    'checkpoint': ('keep_last',),
    'sample': ('rows', 'columns'),
    'model': ('latent_size',),
    'dataset': ('resolution', 'prefetch_batches'),
  }
  if config.dataset.width is not None and config.dataset.width <= 0:
    raise UserError(f'config.dataset.width={config.dataset.width}: must be positive')
  for section, names in positive.items():
    for key in names:
      if config[section][key] <= 0:
        raise UserError(f'config.{section}.{key}={config[section][key]}: must be positive')
  _check_schedules(config)
  registry.find('losses', config.loss.name, 'd_loss', 'loss.name')
  registry.find('models', config.model.name, 'Generator', 'model.name')
  resize = config.evaluate.resize
  if resize not in network.RESIZES:
    raise UserError(f'config.evaluate.resize={resize!r}: {nearest(resize, network.RESIZES)}')
  if config.evaluate.images > 0:
    _check_weights(config)
  ranking(config)


def _check_schedules(config: ConfigDict) -> None:
  """Raises UserError for a final value that is never reached."""
  for section, keys_of in config.items():
    finals = keys_of.items() if isinstance(keys_of, ConfigDict) else ()
    for key, value in finals:
      if key.endswith('_final') and value is not None and config.anneal_images <= 0:
        raise UserError(
          f'config.{section}.{key}={value}: needs config.anneal_images, the images over which it '
          f'is reached; found {config.anneal_images}, accepted: a positive number'
        )


def _check_weights(config: ConfigDict) -> None:
  """Raises UserError where a feature network's weights are in no file, before training."""
  for name in config.evaluate.features:
    module = registry.find('features', name, 'load', 'evaluate.features')
    path = config.evaluate.weights.get(name, '')
    if module.TAKES_WEIGHTS and not os.path.isfile(path):
      raise UserError(
        f'config.evaluate.weights.{name}={path!r}: there is no such file; {name} takes its weights '
        'from a file of yours'
      )


def ranking(config: ConfigDict) -> Callable[[dict[str, float]], float]:
  """What orders checkpoints: maps scores to a number that is lower for the better.

  Raises:
    UserError: where `checkpoint.best_score` is not among the scores of the config.
  """
  best, section = config.checkpoint.best_score, config.evaluate
  signs = keys.ordering(section.metrics, section.features, section.get('resize', 'antialias'))
  if best not in signs:
    if config.checkpoint.keep_best and config.evaluate.images > 0:
      raise UserError(f'config.checkpoint.best_score={best!r}: {nearest(best, signs)}')
    return lambda scores: math.inf
  sign = -1 if signs[best] else 1
  return lambda scores: sign * scores[best] if best in scores else math.inf


def _fields(module: Any) -> set[str]:
  return set(module.__dataclass_fields__) - {'parent', 'name', 'batch_parts'}


def _schedule(config: ConfigDict, section: ConfigDict, key: str) -> optim.Schedule:
  return optim.cosine(section[key], section.get(f'{key}_final'), config.anneal_images)


def _weight(config: ConfigDict, key: str) -> optim.Schedule | None:
  """A penalty's weight; None where it is off throughout."""
  used = config.penalty[key] or config.penalty[f'{key}_final']
  return _schedule(config, config.penalty, key) if used else None


def _adam(config: ConfigDict, player: str) -> optax.GradientTransformation:
  section = config[f'{player}_optimizer']
  return optim.adam(
    _schedule(config, section, 'learning_rate'),
    section.beta1,
    _schedule(config, section, 'beta2'),
    section.epsilon,
    config.train.batch_size,
  )
