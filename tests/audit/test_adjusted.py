import numpy as np
import pytest

from gan_jax.audit import adjusted
from gan_jax.metrics.estimate import from_share


def matrix(categories, accuracy):
  """Errors spread evenly over the other categories."""
  rates = np.full((categories, categories), (1 - accuracy) / (categories - 1))
  np.fill_diagonal(rates, accuracy)
  return rates


def rejected(rng, categories, accuracy, share, repeats, *, n=10_000, known=500):
  """How often the interval of a share misses it: the test rejects the truth."""
  truth = np.full(categories, (1 - share) / (categories - 1))
  truth[0] = share
  rates = matrix(categories, accuracy)
  counts = rng.multinomial(n, rates @ truth, repeats)
  columns = [rng.multinomial(known, rates[:, k], repeats) for k in range(categories)]
  confusion = np.stack(columns, axis=2)
  places = np.zeros(repeats, int)
  z = adjusted.statistic(counts, confusion, places, np.full(repeats, share))
  return float(np.mean(np.abs(z) > 1.96))


def test_without_mistakes_the_interval_is_wilsons():
  confusion = np.diag([10**9, 10**9])
  found = adjusted.shares(np.array([30, 970]), confusion)
  for estimate, hits in zip(found.estimates, (30, 970), strict=True):
    assert estimate == pytest.approx(from_share(hits, 1000), abs=2e-4)


def test_two_categories_are_the_estimate_of_rogan_and_gladen():
  confusion = np.array([[90, 60], [10, 240]])  # sensitivity 0.9, specificity 0.8
  found = adjusted.shares(np.array([400, 600]), confusion)
  assert found.shares[0] == pytest.approx((0.4 + 0.8 - 1) / (0.9 + 0.8 - 1))
  low, high = found.estimates[0][1:]
  fewer = adjusted.shares(np.array([400, 600]), confusion // 10).estimates[0]
  assert fewer.low < low < found.shares[0] < high < fewer.high


def test_ends_of_an_interval_are_where_the_test_begins_to_reject():
  rng = np.random.default_rng(0)
  rates = matrix(4, 0.8)
  counts = rng.multinomial(5000, rates @ np.array([0.1, 0.2, 0.3, 0.4]))
  confusion = np.stack([rng.multinomial(100, rates[:, k]) for k in range(4)], axis=1)
  estimates = adjusted.shares(counts, confusion).estimates
  ends = np.array([[each.low, each.high] for each in estimates])
  for column in (0, 1):
    z = adjusted.statistic(counts, confusion, np.arange(4), ends[:, column])
    np.testing.assert_allclose(np.abs(z), 1.96, atol=0.02)


def test_a_predictor_that_guesses_is_refused():
  with pytest.raises(adjusted.NotToldApartError, match='does not tell'):
    adjusted.shares(np.array([50, 50]), np.array([[10, 10], [10, 10]]))


@pytest.mark.parametrize(('held_out', 'told'), [(20, False), (2_000, True)])
def test_two_that_are_hardly_told_apart_are_named_unless_many_images_show_the_difference(
  held_out, told
):
  rates = np.array([[0.9, 0.05, 0.05], [0.05, 0.55, 0.4], [0.05, 0.4, 0.55]])
  confusion = np.round(held_out * rates).astype(int)
  counts = np.array([300, 400, 300])
  if told:
    assert len(adjusted.shares(counts, confusion).estimates) == 3
    return
  with pytest.raises(adjusted.NotToldApartError) as error:
    adjusted.shares(counts, confusion)
  assert error.value.places == [1, 2]


def test_a_predictor_that_guesses_is_taken_for_one_that_knows_in_5_of_100_cases():
  rng = np.random.default_rng(0)
  known = 0
  for _ in range(1_000):
    said = rng.binomial(100, 0.5, 2)
    try:
      adjusted.shares(np.array([500, 500]), np.stack([said, 100 - said]))
      known += 1
    except adjusted.NotToldApartError:
      pass
  assert 0.03 <= known / 1_000 <= 0.07


@pytest.mark.parametrize(('accuracy', 'share'), [(0.7, 0.02), (0.99, 0.02), (0.9, 0.2)])
def test_intervals_cover(accuracy, share):
  missed = rejected(np.random.default_rng(0), 2, accuracy, share, 500)
  assert 0.02 <= missed <= 0.08  # 5 % and three standard errors


@pytest.mark.slow
@pytest.mark.parametrize('categories', [2, 10])
@pytest.mark.parametrize('accuracy', [0.7, 0.9, 0.99])
@pytest.mark.parametrize('share', [0.02, 0.2, 0.5])
def test_intervals_cover_93_to_97_of_100(categories, accuracy, share):
  missed = rejected(np.random.default_rng(1), categories, accuracy, share, 4000)
  assert 0.03 <= missed <= 0.07
