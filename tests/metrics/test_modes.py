import numpy as np
import pytest
from scipy import special

from gan_jax.errors import UserError
from gan_jax.metrics import modes
from gan_jax.metrics.features import Features


def compute(real, fake, classes):
  return modes.compute(
    Features(np.zeros((len(real), 2)), None, np.asarray(real)),
    Features(np.zeros((len(fake), 2)), np.eye(classes)[np.asarray(fake, int)]),
  )


def test_it_counts_classes_and_compares_their_shares():
  found = compute([0] * 50 + [1] * 30 + [2] * 20, [0] * 30 + [1] * 10, 4)
  assert found['modes'].value == 2
  expected = special.rel_entr([0.75, 0.25, 0], [0.5, 0.3, 0.2]).sum()
  assert found['modes_kl'].value == pytest.approx(expected)


def test_the_same_shares_have_no_divergence_and_all_classes():
  labels = np.arange(200) % 5
  found = compute(labels, labels, 5)
  assert found['modes'] == pytest.approx((5, 5, 5), abs=1e-6)
  assert found['modes_kl'] == pytest.approx((0, 0, 0), abs=1e-9)


def test_one_class_alone_is_one_mode():
  found = compute(np.arange(20) % 4, np.zeros(100), 4)
  assert found['modes'] == pytest.approx((1, 1, 1), abs=1e-6)
  assert found['modes_kl'].value == pytest.approx(np.log(4))


def test_no_images_show_less_than_one_class_or_more_than_there_are():
  found = compute(np.arange(20) % 4, [0, 0], 4)['modes']
  assert (found.value, found.low) == (1, 1)
  found = compute(np.arange(20) % 4, [0, 1, 2, 3], 4)['modes']
  assert (found.value, found.high) == (4, 4)


@pytest.mark.parametrize(('count', 'classes'), [(300, 1000), (2000, 1000), (500, 100)])
@pytest.mark.parametrize('even', [True, False])
def test_the_interval_holds_the_mean_number_of_other_images(coverage, count, classes, even):
  shares = np.random.default_rng(1).dirichlet(np.full(classes, 0.7))
  shares = np.full(classes, 1 / classes) if even else shares
  truth = np.sum(1 - (1 - shares) ** count)

  def once(rng):
    fake = rng.choice(classes, count, p=shares)
    return compute(np.arange(classes), fake, classes)['modes']

  assert coverage(once, truth, count=200) >= 0.88


@pytest.mark.parametrize('apart', [0.0, 0.5])
def test_the_interval_of_the_divergence_holds_its_mean_over_other_images(coverage, apart):
  rng = np.random.default_rng(2)
  fake, other = rng.dirichlet(np.full(20, 2.0), 2)
  real = (1 - apart) * fake + apart * other

  def once(rng):
    sets = rng.choice(20, 3000, p=real), rng.choice(20, 1000, p=fake)
    return compute(*sets, 20)['modes_kl']

  assert coverage(once, count=300) >= 0.93


def test_a_class_that_is_generated_but_not_real_is_named():
  with pytest.raises(UserError, match=r'^class 2: 0 real and 3 generated images'):
    compute([0, 1, 1], [0, 2, 2, 2], 4)
