import numpy as np
import pytest

from gan_jax.errors import UserError
from gan_jax.metrics import fd, fd_per_class
from gan_jax.metrics.features import Features


def draw(rng, counts, shift=0.0):
  labels = np.repeat(np.arange(len(counts)), counts)
  x = rng.normal(size=(len(labels), 4)) + shift + 3 * labels[:, None]
  return Features(x.astype(np.float32), None, labels)


def test_each_class_is_its_own_distance_and_the_score_their_mean():
  rng = np.random.default_rng(0)
  real, fake = draw(rng, [30, 40, 50]), draw(rng, [20, 30, 25], 0.4)
  found = fd_per_class.compute(real, fake)
  pick = lambda features, number: Features(features.pooled[features.labels == number])
  each = [fd.compute(pick(real, n), pick(fake, n))['fd'] for n in range(3)]
  for number, expected in enumerate(each):
    assert found[f'fd_per_class/{number}'] == pytest.approx(expected)
  score = found['fd_per_class']
  assert score.value == pytest.approx(np.mean([e.value for e in each]))
  halves = np.array([e.high - e.value for e in each])
  assert score.high - score.value == pytest.approx(np.sqrt(np.sum(halves**2)) / 3)


def test_swapped_classes_are_seen_where_fd_sees_nothing():
  rng = np.random.default_rng(1)
  real, fake = draw(rng, [100, 100]), draw(rng, [100, 100])
  swapped = fake._replace(labels=1 - fake.labels)
  assert fd.compute(real, swapped) == fd.compute(real, fake)
  right, wrong = (fd_per_class.compute(real, f)['fd_per_class'] for f in (fake, swapped))
  assert wrong.low > 10 * right.high


@pytest.mark.parametrize(
  ('real', 'fake', 'message'),
  [
    ([9, 9, 9], [9, 0, 9], 'class 1: 9 real and 0 generated images; at least 2 of each'),
    ([9, 1], [9, 9], 'class 1: 1 real and 9 generated images'),
    ([9, 9], [9, 9, 2], 'class 2: 0 real and 2 generated images'),
  ],
)
def test_a_class_that_one_side_lacks_is_named(real, fake, message):
  rng = np.random.default_rng(2)
  with pytest.raises(UserError, match=f'^{message}'):
    fd_per_class.compute(draw(rng, real), draw(rng, fake))
