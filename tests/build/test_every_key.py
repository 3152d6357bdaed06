"""Every key of the config, set to something else, changes what it should and nothing else.

A run is looked at part by part: the networks, each player's optimiser, the step's other parts, what
is read and in what order, what is scored, and the key of each kept program. That these parts do in
a step what they say is held by the tests of `gan_jax.training`.
"""

import dataclasses
import importlib
import types

import jax.numpy as jnp
import numpy as np
import pytest

from configs import default
from gan_jax import build, registry
from gan_jax.build import data, players, programs, scoring, sections
from gan_jax.runtime import parallel
from tests.build.test_keys import flat

# The module: the package has a function of its name.
RECIPE = importlib.import_module('gan_jax.build.recipe')
SHOWN = (0.0, 50.0, 300.0, 1e6)  # images: before, within and after every warm-up and schedule
CLASSES = 3
OPENED = ('name', 'split', 'data_dir', 'size', 'memory_budget_mb')


class Images:
  """A dataset of labels alone."""

  num_classes = CLASSES
  class_names = ('a', 'b', 'c')
  name, shape, dtype, attribute_names, origin, stamp = '', (), None, (), None, ''
  fingerprint = 'whole'

  def __len__(self):
    return 60

  def labels(self, rows):
    return np.arange(60)[rows] % 6 // 3 * np.arange(60)[rows] % CLASSES


def over_images(value):
  return [np.asarray(value(jnp.asarray(shown))).tolist() for shown in SHOWN]


def of_optimiser(made):
  """The settings of an optimiser, and the weights that it leaves."""
  settings, *frozen = made if type(made) is tuple else (made,)
  return [over_images(each) if callable(each) else each for each in settings], frozen


def of_a_module(module):
  return f'{type(module).__module__} {module!r}'


def of_settings(settings):
  return sorted(dataclasses.asdict(settings).items())


@pytest.fixture
def looked_at(monkeypatch):
  """A function from a config to all that is made of it, by name."""
  read = {}
  monkeypatch.setattr(players.optim, 'adam', lambda settings: settings)
  monkeypatch.setattr(players.transfer, 'freeze', lambda *made: made)
  opened = lambda *args: read.setdefault('opened', []).append(args) or Images()
  monkeypatch.setattr(data.by_name, 'open_dataset', opened)
  monkeypatch.setattr(data.by_name, 'shared_images', lambda *args: read.update(shared=args) or 0)
  monkeypatch.setattr(
    data.pipeline, 'batches', lambda *args, **how: read.update(batches=(args[1], how))
  )
  monkeypatch.setattr(RECIPE, '_check_together', lambda *_: None)

  def look(config):
    read.clear()
    parts = build.networks(config, 1, CLASSES)
    dataset = build.datasets(config).train
    build.batches(config, dataset, 4 * build.images_per_step(config), 2)
    fakes = build.fake_labels(config, dataset)
    made = build.recipe(config, parts, fakes)
    augmentation = made.augmentation
    size, how = read.pop('batches')
    trained, held_out = (dict(zip(OPENED, each, strict=True)) for each in read['opened'])
    split = held_out.pop('split')
    assert held_out == {k: v for k, v in trained.items() if k != 'split'}
    assert read['shared'] == (trained['name'], trained['split'], split, trained['data_dir'])
    return {
      'generator': of_a_module(parts.generator),
      'discriminator': of_a_module(parts.discriminator),
      'generator_tx': of_optimiser(parts.generator_tx),
      'discriminator_tx': of_optimiser(parts.discriminator_tx),
      'loss': made.loss.__name__,
      'regularisers': [
        (r.name, r.module.__name__, of_settings(r.settings), over_images(r.weight), r.interval)
        for r in made.regularisers
      ],
      'augment': [(m.__name__, of_settings(s)) for m, s in augmentation.operations],
      'pseudo': augmentation.pseudo,
      'strength': augmentation.strength and over_images(augmentation.strength),
      'controller': augmentation.adaptive and of_settings(augmentation.adaptive),
      'half_life': over_images(made.ema_half_life),
      **{
        name: getattr(made, name)
        for name in (
          'ema_ramp',
          'ema_precision',
          'batch_size',
          'share_batch',
          'd_steps',
          'accumulate',
          'flip',
        )
      },
      'fake_labels': made.fake_labels,
      'axis': made.axis_name,
      'data': trained,
      'trained on': dataset.fingerprint,
      'held out': split,
      'drawn': size,
      'order': how,
      'scored': scoring.asked_of(config)._asdict(),
    }

  return look


def kept_as(config):
  """What the keys of the kept programs are made of."""
  parts = types.SimpleNamespace(generator='', discriminator='')
  return programs._made_of('step', config, parts)


def config_of(changes):
  config = default.get_config()
  config.dcgan.width = 4
  config.dataset.resolution = 16
  config.train.batch_size = 16
  config.update_from_flattened_dict(changes)
  return config


# What a key is read beside: {} where a run of the defaults reads it.
FINALS = {'anneal_images': 400}
CONDITIONAL = {'model.conditional': True}
WEIGHED = {**CONDITIONAL, 'labels.fakes': 'weights', 'labels.weights': (1.0, 2.0, 3.0)}
AUGMENTED = {'augment.names': ('diffaugment',)}
ADAPTIVE = {**AUGMENTED, 'augment.adaptive': True}

NOTHING = ()
BATCHES = ('drawn', 'order')

# Key: another value, what changes by it, and what it is read beside.
CASES = {
  'seed': (7, ('order', 'scored'), {}),
  'anneal_images': (100, ('half_life',), {**FINALS, 'ema.half_life_images_final': 5.0}),
  'dataset.name': ('fashion', ('data',), {}),
  'dataset.split': ('train[:50%]', ('data',), {}),
  'dataset.holdout_split': ('test[:50%]', ('held out',), {}),
  'dataset.data_dir': ('/elsewhere', ('data',), {}),
  'dataset.resolution': (32, ('generator', 'discriminator', 'data'), {}),
  'dataset.width': (32, ('generator', 'discriminator', 'data'), {}),
  'dataset.flip': (True, ('flip',), {}),
  'dataset.balanced': (True, ('order',), {}),
  'dataset.balanced_by': ('plane', ('order',), {'dataset.balanced': True}),
  'dataset.class_group': (4, ('order',), CONDITIONAL),
  'dataset.at_most': (('b=5',), ('trained on',), {}),
  'dataset.memory_budget_mb': (1, ('data',), {}),
  'dataset.prefetch_batches': (9, ('order',), {}),
  'model.name': ('resnet', ('generator', 'discriminator'), {}),
  'model.discriminator': ('resnet', ('discriminator',), {}),
  'model.conditional': (True, ('generator', 'discriminator', 'scored'), {}),
  'model.latent_size': (5, ('generator',), {}),
  'loss.name': ('hinge', ('loss',), {}),
  'labels.fakes': ('uniform', ('fake_labels',), CONDITIONAL),
  'labels.weights': ((3.0, 2.0, 1.0), ('fake_labels',), WEIGHED),
  'init.workdir': ('runs/other', NOTHING, {}),
  'init.step': (3, NOTHING, {}),
  'init.weights': ('live', NOTHING, {}),
  'init.players': ('generator', NOTHING, {}),
  'init.least_share': (0.25, NOTHING, {}),
  'init.grow': (False, NOTHING, {}),
  'init.freeze': (('discriminator/conv0',), ('discriminator_tx',), {}),
  'regularisers': (('r1',), ('regularisers',), {}),
  'augment.names': (('ada',), ('augment',), AUGMENTED),
  'augment.strength': (0.5, ('strength',), AUGMENTED),
  'augment.strength_final': (0.5, ('strength',), {**AUGMENTED, **FINALS}),
  'augment.strength_warmup': (100.0, ('strength',), AUGMENTED),
  'augment.pseudo': (True, ('pseudo',), AUGMENTED),
  'augment.adaptive': (True, ('strength', 'controller'), AUGMENTED),
  'augment.target': (0.25, ('controller',), ADAPTIVE),
  'augment.ramp_images': (123.0, ('controller',), ADAPTIVE),
  'augment.interval': (9, ('controller',), ADAPTIVE),
  'augment.initial': (0.25, ('controller',), ADAPTIVE),
  'augment.maximum': (0.25, ('controller',), ADAPTIVE),
  **{
    f'{player}_optimizer.{key}': (value, (f'{player}_tx',), beside)
    for player in ('generator', 'discriminator')
    for key, value, beside in (
      ('learning_rate', 0.1, {}),
      ('learning_rate_final', 0.1, FINALS),
      ('learning_rate_warmup', 100.0, {}),
      ('beta1', 0.25, {}),
      ('beta2', 0.5, {}),
      ('beta2_final', 0.5, FINALS),
      ('epsilon', 1e-6, {}),
      ('weight_decay', 0.5, {}),
      ('clip_norm', 0.25, {}),
      ('moments', 'bfloat16', {}),
    )
  },
  'ema.half_life_images': (5.0, ('half_life',), {}),
  'ema.precision': ('bfloat16', ('ema_precision',), {}),
  'ema.half_life_images_final': (5.0, ('half_life',), FINALS),
  'ema.ramp': (0.5, ('ema_ramp',), {}),
  'train.batch_size': (32, ('batch_size', *BATCHES), {}),
  'train.d_steps': (3, ('d_steps', *BATCHES), {}),
  'train.accumulate': (2, ('accumulate',), {}),
  'train.share_batch': (False, ('share_batch', *BATCHES), {}),
  **{
    f'train.{key}': (value, NOTHING, {})
    for key, value in (
      ('images', 7), ('seconds', 7.0), ('log_images', 7), ('diagnose', False), ('sample_images', 7),
      ('checkpoint_images', 7), ('rollbacks', 7), ('memory_gb', 7.0),
    )
  },
  'checkpoint.keep_last': (7, NOTHING, {}),
  'checkpoint.keep_best': (7, NOTHING, {}),
  'checkpoint.best_score': ('kid_classifier', ('scored',), {'evaluate.halves': True}),
  'evaluate.images': (7, NOTHING, {}),
  **{
    f'evaluate.{key}': (value, ('scored',), {})
    for key, value in (
      ('num_samples', 7), ('num_reals', 7), ('batch_size', 7), ('features', ('pixels',)),
      ('metrics', ('kid',)), ('halves', True), ('resize', 'legacy'),
      ('weights.inception_v3', 'a.pth'), ('weights.dinov2_vits14', 'b.safetensors'),
    )
  },
  'evaluate.allow_trained_features': (True, NOTHING, {}),
  'sample.columns': (7, NOTHING, {}),
  'sample.rows': (7, NOTHING, {}),
}  # fmt: skip


def test_no_key_is_left_out():
  own = set(sections.all_sections())
  known = {key for key in flat(default.get_config().to_dict()) if key.split('.')[0] not in own}
  assert set(CASES) == known


# Parts that programs are made of; the others are of input and scores.
OF_PROGRAMS = {
  *('generator', 'discriminator', 'generator_tx', 'discriminator_tx', 'loss', 'regularisers'),
  *('augment', 'pseudo', 'strength', 'controller', 'half_life', 'ema_ramp', 'batch_size'),
  'ema_precision',
  *('share_batch', 'd_steps', 'accumulate', 'flip'),
}


def differing(look, before, after):
  """What is made of a changed config otherwise; its program then has another key."""
  a, b = look(before), look(after)
  changed = {name for name in a if a[name] != b[name]}
  if changed & OF_PROGRAMS:
    assert kept_as(before) != kept_as(after)
  return changed


@pytest.mark.parametrize('key', CASES)
def test_a_key_changes_what_it_should_and_nothing_else(key, looked_at):
  value, expected, beside = CASES[key]
  before = config_of(beside)
  assert differing(looked_at, before, config_of({**beside, key: value})) == set(expected)


@pytest.mark.parametrize(
  'key', ['seed', *(k for k in CASES if k.startswith(('evaluate', 'sample', 'checkpoint')))]
)
def test_what_no_program_is_made_of_leaves_the_kept_ones(key):
  value, _, beside = CASES[key]
  assert kept_as(config_of(beside)) == kept_as(config_of({**beside, key: value}))


def test_runs_of_another_length_or_log_keep_their_programs():
  keys = [k for k in CASES if k.startswith('train.') and CASES[k][1] == NOTHING]
  assert len(keys) == 8
  for key in keys:
    assert kept_as(config_of({})) == kept_as(config_of({key: CASES[key][0]})), key


def other(value):
  """Another value of a setting's kind."""
  if isinstance(value, bool):
    return not value
  if isinstance(value, tuple):
    return value[:-1] or (1,)
  if isinstance(value, str):
    return f'{value}x'
  return 2 * value + 1


@pytest.mark.parametrize('name', registry.names('training.regularisers'))
def test_a_key_of_a_regulariser_reaches_it_alone(name, looked_at):
  # Beside another with values of its own, which must stay.
  neighbour = 'r2' if name == 'r1' else 'r1'
  beside = {'regularisers': (neighbour, name), f'{neighbour}.weight': 0.75, **FINALS}
  module = registry.find('training.regularisers', name, '')
  for key, value in default.get_config()[name].items():
    if key == 'interval' and hasattr(module, 'image_gradient'):
      continue  # refused: it is of every step
    new = {'weight_final': 0.5}.get(key) if value is None else other(value)
    expected = {'regularisers'}
    if key == 'interval':
      sides = [side for side in ('discriminator', 'generator') if hasattr(module, side)]
      expected |= {f'{side}_tx' for side in sides}
    before, after = config_of(beside), config_of({**beside, f'{name}.{key}': new})
    assert differing(looked_at, before, after) == expected, key
    first, second = (looked_at(each)['regularisers'] for each in (before, after))
    assert first[0] == second[0]


@pytest.mark.parametrize('name', registry.names('training.augment'))
def test_a_key_of_an_augmentation_reaches_it_alone(name, looked_at):
  beside = {'augment.names': (name,)}
  for key, value in default.get_config()[name].items():
    after = config_of({**beside, f'{name}.{key}': other(value)})
    assert differing(looked_at, config_of(beside), after) == {'augment'}, key


@pytest.mark.parametrize('name', registry.names('models'))
def test_a_key_of_a_model_reaches_the_networks_that_have_it(name):
  module = registry.find('models', name, '', ('Discriminator',))
  whole = hasattr(module, 'Generator')
  beside = {f'model.{"name" if whole else "discriminator"}': name}
  look = lambda config: players.modules(config, 1, CLASSES)
  before = config_of(beside)
  for key, value in default.get_config()[name].items():
    after = config_of({**beside, f'{name}.{key}': other(value)})
    pairs = zip(look(before), look(after), strict=True)
    for a, b in pairs:
      own = type(a).__module__ == module.__name__ and hasattr(a, key)
      assert (repr(a) != repr(b)) == own, key
      assert not own or getattr(b, key) == other(value)
    assert kept_as(before) != kept_as(after)


def test_a_kept_program_belongs_to_its_kind_networks_and_labels(monkeypatch):
  """The initial state, the step and the diagnosis of one config are three programs, and so on."""
  monkeypatch.setattr(RECIPE, '_check_together', lambda *_: None)
  monkeypatch.setattr(programs, 'initializer', lambda made: None)
  monkeypatch.setattr(parallel, 'pmap_step', lambda step: step)
  monkeypatch.setattr(parallel, 'pmap_read', lambda step: step)
  monkeypatch.setattr(programs, 'Program', lambda _, about: repr(about))
  conditional = {**CONDITIONAL, 'labels.fakes': 'data'}

  def keys(changes, channels, classes):
    config = config_of(changes)
    parts = build.networks(config, channels, classes)
    both = build.training_programs(config, parts, Images())
    return [build.initial_program(config, parts), *both]

  found = [*keys({}, 1, 0), *keys({}, 3, 0), *keys(CONDITIONAL, 1, 3), *keys(CONDITIONAL, 1, 4)]
  assert len(set(found)) == len(found)
  frequent = keys(conditional, 1, CLASSES)[1]
  monkeypatch.setattr(Images, 'labels', lambda self, rows: np.asarray(rows) % CLASSES)
  assert keys(conditional, 1, CLASSES)[1] != frequent


def test_batches_go_on_at_the_images_that_were_shown(looked_at, monkeypatch):
  """Of each step's examples, some are the generator's own: places count those, too."""
  drawn = []
  monkeypatch.setattr(data.pipeline, 'batches', lambda *args, **how: drawn.append((args[1], how)))
  for changes, size, start in (
    ({}, 16, 64),
    ({'train.d_steps': 2}, 32, 64),
    ({'train.share_batch': False}, 32, 128),
    ({'train.d_steps': 3, 'train.share_batch': False}, 64, 64),
  ):
    images = {16: 64, 32: 64, 64: 48}[size]
    build.batches(config_of(changes), Images(), images, order=5)
    found, how = drawn.pop()
    assert (found, how['start'], how['order']) == (size, start, 5), changes
