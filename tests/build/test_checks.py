"""What orders checkpoints, and what is only refused where it is used."""

import math

import pytest

from configs import default
from gan_jax import build
from gan_jax.build import checks
from gan_jax.errors import UserError


def config(**changes):
  made = default.get_config()
  made.train.batch_size = 8
  made.update_from_flattened_dict({k.replace('__', '.'): v for k, v in changes.items()})
  return made


def test_checkpoints_are_ranked_by_their_score_lower_for_the_better():
  rank = build.ranking(config())
  assert rank({'fd_classifier': 3.0}) == 3
  assert rank({'kid_classifier': 1.0}) == math.inf  # it could not be had then
  best = build.ranking(config(checkpoint__best_score='class_accuracy_classifier'))
  assert best({'class_accuracy_classifier': 0.75}) == -0.75


UNKNOWN = {'checkpoint__best_score': 'fd_pixels'}


def test_an_unknown_best_score_is_refused_where_checkpoints_are_kept_by_it():
  with pytest.raises(UserError, match="best_score='fd_pixels'"):
    build.check(config(**UNKNOWN))
  for unused in ({'checkpoint__keep_best': 0}, {'evaluate__images': 0}):
    made = config(**UNKNOWN, **unused)
    build.check(made)
    assert build.ranking(made)({'fd_pixels': 1.0}) == math.inf


def test_features_that_are_never_used_are_not_looked_for():
  named = {'evaluate__features': ('inception_v3',), 'checkpoint__keep_best': 0}
  with pytest.raises(UserError, match=r"weights\.inception_v3='': there is no such file"):
    build.check(config(**named))
  build.check(config(**named, evaluate__images=0))


def test_devices_and_files_are_not_looked_for_where_the_run_is_elsewhere():
  made = config(train__batch_size=12, evaluate__features=('inception_v3',), checkpoint__keep_best=0)
  with pytest.raises(
    UserError, match=r'train\.batch_size=12: must be a positive multiple of the 8'
  ):
    build.check(made)
  checks.check(made, elsewhere=True)


@pytest.mark.parametrize(('images', 'fits'), [(2**31 - 1, True), (2**31, False)])
def test_steps_are_counted_in_31_bits(images, fits):
  made = config(train__images=images, train__batch_size=1)
  if fits:
    checks.check(made, elsewhere=True)
  else:
    with pytest.raises(
      UserError, match=r'takes 2,147,483,648 steps; accepted: less than that'[:30]
    ):
      checks.check(made, elsewhere=True)
