import numpy as np
import pytest
from scipy import stats

from gan_jax.errors import UserError
from gan_jax.metrics import conformal

DRAWS, EACH = 300, 20


def false_alarms(level, views, count=199):
  """How often images of the calibration set's own kind are called strange."""
  rng = np.random.default_rng(0)
  mixing = rng.normal(size=(views, views))  # scores of one image depend on each other
  alarms = 0
  for _ in range(DRAWS):
    drawn = rng.standard_t(2, size=(count + EACH, views)) @ mixing
    alarms += np.sum(conformal.p_values(drawn[count:], drawn[:count]) <= level)
  return alarms


@pytest.mark.parametrize('views', [1, 3])
@pytest.mark.parametrize('level', [0.01, 0.05, 0.1])
def test_false_alarms_come_at_the_rate_that_was_asked_for(level, views):
  # The images of one draw share a calibration set, whose own rate is a Beta variable.
  rate = stats.betabinom(EACH, 200 * level, 200 * (1 - level))
  spread = np.sqrt(DRAWS) * rate.std()
  assert abs(false_alarms(level, views) - DRAWS * EACH * level) < 2.6 * spread


def test_a_p_value_is_the_share_of_the_set_that_is_as_strange():
  scores = np.array([-1.0, 2.0, 2.5, 9.0])
  assert conformal.p_values(scores, np.array([0, 1, 2, 3.0])) == pytest.approx([1, 0.6, 0.4, 0.2])


def test_what_is_strange_to_one_view_alone_is_found_among_several():
  rng = np.random.default_rng(0)
  strange = rng.normal(size=(50, 3))
  strange[:, 2] += 20
  assert np.all(conformal.p_values(strange, rng.normal(size=(999, 3))) < 0.005)


def test_a_score_changes_nothing_by_another_scale():
  rng = np.random.default_rng(0)
  scores, known = rng.normal(size=(40, 2)), rng.normal(size=(60, 2))
  one = conformal.p_values(scores, known)
  assert np.array_equal(one, conformal.p_values(np.exp(scores), np.exp(known)))


def test_one_image_a_patient_keeps_the_rate_where_images_of_patients_do_not():
  rng = np.random.default_rng(0)
  level, kept, all_images = 0.1, 0, 0
  groups = np.repeat(np.arange(19), 20)
  for _ in range(600):
    centre = rng.normal(size=20)
    drawn = np.repeat(centre, 20) + 0.05 * rng.normal(size=400)
    known, new = drawn[:380], drawn[380:381]
    rows = conformal.one_of_each(groups, rng)
    assert np.array_equal(groups[rows], np.arange(19))
    kept += conformal.p_values(new, known[rows])[0] <= level
    all_images += conformal.p_values(new, known)[0] <= level
  assert stats.binomtest(kept, 600, level).pvalue > 0.01


def test_the_rate_to_come_is_within_its_interval_as_often_as_it_says(coverage):
  def draw(rng):
    threshold = np.sort(rng.uniform(size=300))[-15]  # the 15th strangest has p = 15 / 301
    found = conformal.rate(0.05, 300)
    truth = 1 - threshold
    return found.value, found.low - truth, found.high - truth

  assert 0.93 <= coverage(draw, 0.0) <= 0.97
  assert conformal.rate(0.05, 300).value == pytest.approx(15 / 301)
  assert conformal.rate(0.05, 10).high == 0


def test_what_cannot_be_ranked_is_refused():
  with pytest.raises(UserError, match='calibration: 0 images'):
    conformal.p_values(np.zeros(3), np.zeros(0))
  with pytest.raises(UserError, match='images: 1 scores are not numbers'):
    conformal.p_values(np.array([np.nan, 1]), np.zeros(3))
