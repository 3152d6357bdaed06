"""Every key has a range, and what is out of it is refused by its name before anything is opened."""

import pytest

from configs import default
from gan_jax import build
from gan_jax.build import keys, sections
from gan_jax.errors import UserError

HUGE = 99999999999999999999


def flat(tree, prefix=''):
  for key, value in tree.items():
    if isinstance(value, dict):
      yield from flat(value, f'{prefix}{key}.')
    else:
      yield f'{prefix}{key}'


def config(**changes):
  made = default.get_config()
  made.train.batch_size = 8
  with made.unlocked():
    made.update_from_flattened_dict(changes)
  return made


def test_every_key_of_the_default_has_a_rule_and_no_other_has():
  own = set(sections.all_sections())
  known = {key for key in flat(default.get_config().to_dict()) if key.split('.')[0] not in own}
  assert set(flat(keys.KEYS)) == known


def test_the_default_is_accepted():
  build.check(config())


# Ends of what is accepted, both themselves accepted, and the next number beyond one.
WHOLE = (1, 2**31 - 1)
IMAGES = (1, 4_000_000_000)
ENDS = {
  'seed': (0, 2**32 - 1),
  **{f'dataset.{name}': WHOLE for name in ('resolution', 'width', 'prefetch_batches')},
  **dict.fromkeys(('model.latent_size', 'augment.interval', 'r1.interval'), WHOLE),
  **{f'train.{name}': WHOLE for name in ('batch_size', 'd_steps', 'accumulate')},
  **{f'train.{name}images': IMAGES for name in ('', 'log_', 'sample_', 'checkpoint_')},
  'train.rollbacks': (0, 2**31 - 1),
  'init.step': (0, 2**31 - 1),
  'checkpoint.keep_last': WHOLE,
  'checkpoint.keep_best': (0, 2**31 - 1),
  **{f'evaluate.{name}': WHOLE for name in ('num_samples', 'num_reals', 'batch_size')},
  'sample.columns': WHOLE,
  'sample.rows': WHOLE,
  'augment.target': (-1, 1),
  'augment.strength': (0, 1),
  'augment.strength_final': (0, 1),
  'augment.initial': (0, 1),
  'augment.maximum': (0, 1),
  'init.least_share': (0, 1),
  'anneal_images': (0, 4_000_000_000),
}


@pytest.mark.parametrize('key', ENDS)
def test_both_ends_of_a_range_are_accepted_and_nothing_beyond(key):
  def check(value):
    made = config()
    with made.ignore_type():
      made.update_from_flattened_dict({key: value})
    keys.check_keys(made)

  low, high = ENDS[key]
  for value in (low, high):
    check(value)
  for value in (low - 1, high + 1):
    with pytest.raises(UserError, match=f'config.{key}=.*: accepted'):
      check(value)


@pytest.mark.parametrize(
  ('key', 'value', 'accepted'),
  [
    ('seed', -1, 'integers from 0 to 4,294,967,295'),
    ('seed', HUGE, 'integers from 0 to 4,294,967,295'),
    ('generator_optimizer.learning_rate', -1.0, 'numbers from 0'),
    ('generator_optimizer.learning_rate', float('nan'), 'numbers from 0'),
    ('discriminator_optimizer.beta1', 1.5, 'numbers from 0 below 1'),
    ('discriminator_optimizer.beta2_final', 1.0, 'numbers from 0 below 1, or None'),
    ('generator_optimizer.epsilon', 0.0, 'positive numbers'),
    ('generator_optimizer.clip_norm', -1.0, 'positive numbers, or None'),
    ('generator_optimizer.weight_decay', float('inf'), 'numbers from 0'),
    ('r1.weight', -1.0, 'numbers from 0'),
    ('r1.weight_final', -1.0, 'numbers from 0, or None'),
    ('lecam.interval', 0, 'positive integers'),
    ('dragan.spread', float('nan'), 'numbers'),
    ('ema.ramp', -1.0, 'numbers from 0'),
    ('ema.half_life_images', -1.0, 'numbers from 0'),
    ('augment.strength', 1.5, 'numbers from 0 to 1'),
    ('augment.target', -2.0, 'numbers from -1 to 1'),
    ('augment.ramp_images', 0.0, 'positive numbers'),
    ('checkpoint.keep_best', -1, 'integers from 0'),
    ('checkpoint.keep_last', 0, 'positive integers'),
    ('evaluate.images', -5, 'integers from 0'),
    ('train.images', 4_000_000_001, 'positive integers'),
    ('dataset.width', 0, 'positive integers.*or None'),
    ('dataset.memory_budget_mb', -1, 'numbers from 0'),
    ('dataset.prefetch_batches', 0, 'positive integers'),
    ('init.step', -1, 'integers from 0'),
    ('init.least_share', 2.0, 'numbers from 0 to 1'),
    ('anneal_images', -1, 'numbers from 0'),
  ],
)
def test_a_value_out_of_range_is_refused_by_its_key(key, value, accepted):
  with pytest.raises(UserError, match=rf'config\.{key}=.*accepted: {accepted}') as stopped:
    build.check(config(**{key: value}))
  assert '\n' not in str(stopped.value)


@pytest.mark.parametrize(
  ('key', 'value', 'near'),
  [
    ('train.batchsize', 8, 'train.batch_size'),
    ('evaluate.weights.inception', 'x', 'evaluate.weights.inception_v3'),
    ('r1.gamma', 1.0, 'r1'),
    ('dcgan.widht', 3, 'dcgan.width'),
    ('optimizer', 1, 'generator_optimizer'),
  ],
)
def test_a_key_that_there_is_not_is_refused_with_the_nearest(key, value, near):
  changed = config()
  with changed.unlocked():
    if '.' in key:
      changed.update_from_flattened_dict({key: value})
    else:
      changed[key] = value
  with pytest.raises(UserError, match=near):
    build.check(changed)


def test_a_model_of_the_users_own_has_a_section_of_its_fields(tmp_path):
  path = tmp_path / 'tiny.py'
  path.write_text(
    'from gan_jax.models import dcgan\n'
    'class Generator(dcgan.Generator):\n  depth: int = 2\n'
    'class Discriminator(dcgan.Discriminator):\n  pass\n'
  )
  made = config(**{'model.name': str(path)})
  with made.unlocked():
    made.tiny = {'depth': 3, 'width': 8}
  build.check(made)
  generator = build.networks(made, 1, 0).generator
  assert (generator.depth, generator.width) == (3, 8)
  with made.unlocked():
    made.tiny.deep = 1
  with pytest.raises(UserError, match=r'config\.tiny\.deep: there is no such key; .*tiny\.depth'):
    build.check(made)


def test_a_field_without_a_default_is_told_to_whoever_wrote_the_model(tmp_path):
  path = tmp_path / 'tiny.py'
  path.write_text(
    'from flax import linen as nn\n'
    'class Generator(nn.Module):\n  depth: int\n'
    'class Discriminator(nn.Module):\n  pass\n'
  )
  with pytest.raises(UserError, match=r'tiny\.py: Generator\.depth has no default'):
    build.check(config(**{'model.name': str(path)}))


@pytest.mark.parametrize(
  ('key', 'text', 'missing'),
  [
    ('loss.name', 'def d_loss(r, f):\n  return r\n', 'no g_loss'),
    ('model.name', 'class Generator:\n  pass\n', 'no Discriminator'),
    ('model.name', '', 'no Generator and no Discriminator'),
    ('model.name', 'def (', 'cannot be imported: SyntaxError'),
  ],
)
def test_a_module_that_lacks_a_part_is_told_in_one_line(tmp_path, key, text, missing):
  path = tmp_path / 'mine.py'
  path.write_text(text)
  with pytest.raises(UserError, match=missing) as stopped:
    build.check(config(**{key: str(path)}))
  assert '\n' not in str(stopped.value)


@pytest.mark.parametrize('key', ['regularisers', 'augment.names', 'evaluate.features'])
@pytest.mark.parametrize('value', [(1e-300,), ('r1', 2), (None,)])
def test_what_is_no_name_is_refused_by_its_key(key, value):
  changed = config(**{key: value})
  with pytest.raises(UserError, match=rf'config\.{key}=.*accepted: a tuple of names'):
    build.check(changed)
