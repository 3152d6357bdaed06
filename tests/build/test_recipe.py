"""What goes together, what does not, and why; keys that reach the step."""

import jax
import jax.numpy as jnp
import pytest

from configs import default
from gan_jax import build
from gan_jax.errors import UserError


def made(**changes):
  """The recipe of a small run with some keys set; `__` stands for a dot."""
  config = default.get_config()
  config.dataset.resolution = 16
  config.dcgan.width = 4
  config.dcgan.discriminator_norm = 'none'
  config.train.batch_size = 16
  config.update_from_flattened_dict({k.replace('__', '.'): v for k, v in changes.items()})
  parts = build.networks(config, 1, 3)
  return build.recipe(config, parts)


def refused(match, **changes):
  with pytest.raises(UserError, match=match) as stopped:
    made(**changes)
  assert '\n' not in str(stopped.value)


BATCH_NORM = {'dcgan__discriminator_norm': 'batch'}


@pytest.mark.parametrize('name', ['gradient_penalty', 'dragan'])
def test_penalties_of_one_image_refuse_batch_norm(name):
  refused(f"regularisers='{name}': .*by the batch", regularisers=(name,), **BATCH_NORM)
  assert made(regularisers=(name,)).regularisers[0].name == name


def test_lecam_of_the_papers_weight_refuses_unbounded_logits():
  refused("regularisers='lecam': weight 0.3 with loss nonsaturating", regularisers=('lecam',))
  made(regularisers=('lecam',), lecam__weight=1e-6)
  made(regularisers=('lecam',), loss__name='hinge')


def test_a_classifier_wants_one_to_be_there_and_the_reverse():
  refused('returns no class_logits', regularisers=('auxiliary_classifier',))
  classifier = {'model__conditional': True, 'dcgan__discriminator_condition': 'classifier'}
  refused('a classifier that nothing trains', **classifier)
  made(regularisers=('auxiliary_classifier',), **classifier)


def test_pairs_refuse_pseudo_reals_and_other_labels():
  refused('it pairs each real', loss__name='relativistic', augment__pseudo=True)
  made(loss__name='hinge', augment__pseudo=True)
  config = default.get_config()
  config.model.conditional, config.loss.name = True, 'relativistic'
  config.labels.fakes = 'uniform'
  parts = build.networks(config, 1, 3)
  with pytest.raises(UserError, match='gives them different classes'):
    build.recipe(config, parts, (0.5, 0.25, 0.25))


def test_accumulation_refuses_what_looks_at_the_whole_batch():
  refused('takes its statistics from the whole batch', train__accumulate=2)
  r3gan = {'model__name': 'r3gan', 'r3gan__widths': (8, 8, 8), 'r3gan__group_size': 8}
  parts = {'train__accumulate': 2, **r3gan}
  refused(
    "regularisers='lecam': it looks at averages",
    regularisers=('lecam',),
    loss__name='hinge',
    **parts,
  )
  refused("loss.name='relativistic_average'", loss__name='relativistic_average', **parts)
  refused('16 images on 8 devices are 2', **{**parts, 'train__accumulate': 3})
  assert made(**parts).accumulate == 2
  parts['train__batch_size'] = 128  # 16 on each of 8 devices
  one_in = {**parts, 'regularisers': ('r1',), 'r1__one_in': 4}
  refused('of 4 images one is penalised, and parts are of 2', **{**one_in, 'train__accumulate': 8})
  assert made(**{**one_in, 'train__accumulate': 4}).accumulate == 4
  style = {
    **{'model__name': 'stylegan2', 'train__batch_size': 128},
    **{'stylegan2__channel_base': 64, 'stylegan2__channel_max': 8},
  }
  assert made(**style, train__accumulate=4).accumulate == 4
  refused('in groups of 4, which parts of 2 cut', **style, train__accumulate=8)


@pytest.mark.parametrize(
  ('changes', 'match'),
  [
    (
      {'regularisers': ('r3',)},
      "config.regularisers='r3': unknown; accepted: .*, r1, r2, .*, or the path",
    ),
    ({'regularisers': ('r1', 'r1')}, 'r1 is there twice'),
    ({'regularisers': ('r1',), 'r1__interval': 0}, 'config.r1.interval=0'),
    (
      {'regularisers': ('gradient_normalisation',), 'gradient_normalisation__interval': 2},
      'gradient_normalisation.interval=2',
    ),
    ({'regularisers': ('nothing/there.py',)}, "'nothing/there.py': No such file"),
    ({'augment__names': ('difaugment',)}, "did you mean 'diffaugment'"),
    ({'augment__names': ('diffaugment',), 'augment__strength': 1.5}, 'strength=1.5: accepted: 0'),
    ({'augment__adaptive': True}, 'there is nothing to adapt'),
  ],
)
def test_what_is_not_known_is_refused(changes, match):
  refused(match, **changes)


def test_names_may_stand_in_one_text_with_commas():
  assert [r.name for r in made(regularisers=('r1, r2',)).regularisers] == ['r1', 'r2']


def test_a_weight_of_zero_throughout_is_left_out():
  assert made(regularisers=('r1', 'r2'), r1__weight=0.0).regularisers[0].name == 'r2'
  assert made(
    regularisers=('r1',), r1__weight=0.0, r1__weight_final=1.0, anneal_images=10
  ).regularisers


def test_settings_reach_their_module():
  (one,) = made(
    regularisers=('approximate_r1',),
    approximate_r1__epsilon=0.5,
    approximate_r1__weight=3.0,
    approximate_r1__weight_warmup=100.0,
    approximate_r1__interval=4,
  ).regularisers
  assert (one.settings.epsilon, one.interval) == (0.5, 4)
  assert one.weight(jnp.asarray(50.0)) == 1.5


def test_a_lazy_regulariser_slows_the_optimiser_of_its_player_alone():
  from gan_jax.build.regularisers import share_of_updates

  config = default.get_config()
  config.regularisers = ('r1', 'path_length')
  config.r1.interval, config.path_length.interval = 16, 4
  assert share_of_updates(config, 'discriminator') == 16 / 17
  assert share_of_updates(config, 'generator') == 4 / 5
  config.r1.weight = 0.0  # not there: nothing to make room for
  assert share_of_updates(config, 'discriminator') == 1


OWN = """
import dataclasses
import jax.numpy as jnp

@dataclasses.dataclass(frozen=True)
class Settings:
  weight: float = 0.5
  power: float = 2.0

def discriminator(view, settings):
  return jnp.abs(view.real.logits) ** settings.power
"""


def test_a_file_of_the_users_own_is_a_regulariser(tmp_path):
  path = tmp_path / 'drift.py'
  path.write_text(OWN)
  config = default.get_config()
  config.regularisers = (str(path),)
  (own,) = build.recipe(config, build.networks(config, 1, 0)).regularisers
  assert (own.name, own.settings.power) == ('drift', 2.0)
  with config.unlocked():
    config.drift = {'power': 3.0}
  (own,) = build.recipe(config, build.networks(config, 1, 0)).regularisers
  assert own.settings.power == 3.0
  with config.unlocked():
    config.drift = {'powr': 3.0}
  with pytest.raises(UserError, match=r"config.drift.powr: .*did you mean 'power'"):
    build.recipe(config, build.networks(config, 1, 0))


def test_a_changed_file_is_another_program(tmp_path):
  from gan_jax.build.programs import _made_of

  path = tmp_path / 'drift.py'
  config = default.get_config()
  config.regularisers = (str(path),)
  keys = []
  for text in (OWN, OWN.replace('0.5', '0.6')):
    path.write_text(text)
    parts = build.networks(config, 1, 0)
    keys.append(_made_of('train step', config, parts))
  assert keys[0] != keys[1]


@pytest.mark.parametrize(
  ('text', 'match'),
  [
    ('import nothing_there', 'No module named'),
    ('x = 1', 'defines no Settings'),
    ('1 +', 'Syntax'),
  ],
)
def test_a_file_that_is_none_is_refused_in_one_line(tmp_path, text, match):
  path = tmp_path / 'broken.py'
  path.write_text(text)
  refused(match, regularisers=(str(path),))


def test_every_step_of_a_recipe_counts_its_images():
  recipe = made(train__d_steps=3, train__share_batch=False)
  assert (recipe.images_per_step, recipe.examples_per_step) == (48, 64)
  assert jax.device_count() == 8


def test_a_generator_of_two_images_refuses_a_discriminator_of_one():
  own = {'dataset__resolution': 256, 'fastgan__width': 4, 'model__name': 'fastgan'}
  made(**own)
  other = {**own, 'model__discriminator': 'projected', 'projected__side': 64}
  refused('judges images of 256x256x1, and fastgan makes 256x256x1 and 128x128x1', **other)
  made(**other, fastgan__small_image=False)


def test_a_reconstruction_wants_what_decodes():
  refused('decodes nothing', regularisers=('reconstruction',))
  made(
    regularisers=('reconstruction',), model__name='fastgan', dataset__resolution=32,
    fastgan__width=4,
  )  # fmt: skip
