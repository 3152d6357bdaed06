"""What a run was trained on does not judge it, unless that is asked for and said."""

import pytest

from configs import default
from gan_jax import build
from gan_jax.build import players, scoring
from gan_jax.errors import UserError
from gan_jax.evaluation.options import Options
from gan_jax.pretrained import efficientnet_lite


@pytest.fixture
def config():
  config = default.get_config()
  config.dataset.resolution = 64
  config.train.batch_size = 8
  config.model.discriminator = 'projected'
  config.projected.side = 64
  config.loss.name = 'hinge'
  config.evaluate.features = ('efficientnet_lite2',)
  config.evaluate.metrics = ('fd',)
  config.checkpoint.best_score = 'fd_efficientnet_lite2'
  return config


def test_teachers_are_what_the_discriminator_stands_on(config):
  assert players.teachers(config) == ('efficientnet_lite0',)
  config.projected.network = 'efficientnet_lite1'
  assert players.teachers(config) == ('efficientnet_lite1',)
  digests = build.teacher_digests(config)
  assert digests == {'efficientnet_lite1': efficientnet_lite.digest('efficientnet_lite1')}
  config.model.discriminator = ''
  assert players.teachers(config) == ()
  assert len({efficientnet_lite.digest(name) for name in efficientnet_lite.RELEASES}) == 3


def test_another_network_judges(config):
  build.check(config)
  asked = scoring.asked_of(config)
  assert asked.features == ('efficientnet_lite2',)
  assert asked.teachers == ('efficientnet_lite0',)


def test_names_with_commas_are_as_good_as_a_tuple(config):
  config.evaluate.features = ('efficientnet_lite2, pixels',)
  config.evaluate.metrics = ('fd,kid', 'nearest')
  build.check(config)
  asked = scoring.asked_of(config)
  assert asked.features == ('efficientnet_lite2', 'pixels')
  assert asked.metrics == ('fd', 'kid', 'nearest')
  config.evaluate.features = ('pixels,efficientnet_lite0',)
  with pytest.raises(UserError, match='efficientnet_lite0: projected trains on'):
    build.check(config)
  config.evaluate.features = ('pixels,pixels',)
  with pytest.raises(UserError, match=r'evaluate\.features: pixels is there twice'):
    build.check(config)


def test_the_teacher_is_refused_by_name_with_a_way_out(config):
  config.evaluate.features = ('efficientnet_lite0',)
  with pytest.raises(UserError, match=r'efficientnet_lite0: projected trains on .*lite2, or'):
    build.check(config)
  with pytest.raises(UserError, match='allow_trained_features'):
    scoring.asked_of(config)
  options = Options(features=('efficientnet_lite0',), allow_trained_features=True)
  assert scoring.asked_of(config, options).features == ('efficientnet_lite0',)


def test_beside_images_of_anybody_a_generator_is_judged_as_one_by_what_it_was_not_trained_on(
  config,
):
  asked = scoring.asked_of(config)._replace(generated=False, teachers=())  # as of images
  found = scoring.judged(config, asked, Options())
  assert found == asked._replace(generated=True, teachers=('efficientnet_lite0',))
  with pytest.raises(UserError, match='efficientnet_lite0: projected trains on'):
    scoring.judged(config, asked._replace(features=('efficientnet_lite0',)), Options())


def test_allowed_it_is_marked_in_the_name_of_its_scores(config):
  config.evaluate.features = ('efficientnet_lite0', 'efficientnet_lite2')
  config.evaluate.allow_trained_features = True
  build.check(config)
  config.checkpoint.best_score = 'fd_efficientnet_lite0'
  with pytest.raises(UserError, match='fd_efficientnet_lite0_trained'):
    build.check(config)
  config.checkpoint.best_score = 'fd_efficientnet_lite0_trained'
  build.check(config)


def test_a_module_without_a_generator_is_refused_as_one(config):
  config.model.name = 'projected'
  with pytest.raises(UserError, match=r"model.name='projected': defines no Generator"):
    build.check(config)
