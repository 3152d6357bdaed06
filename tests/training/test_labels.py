import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from gan_jax.errors import UserError
from gan_jax.training import draws, labels

COUNTS = np.array([30, 0, 70])


def test_each_rule_gives_its_probabilities():
  assert labels.probabilities('reals', (), COUNTS) is None
  np.testing.assert_allclose(labels.probabilities('data', (), COUNTS), [0.3, 0, 0.7])
  np.testing.assert_allclose(labels.probabilities('uniform', (), COUNTS), [1 / 3] * 3)
  np.testing.assert_allclose(labels.probabilities('weights', (1, 3, 0), COUNTS), [0.25, 0.75, 0])


@pytest.mark.parametrize(
  ('rule', 'weights', 'match'),
  [
    ('real', (), "fakes='real': did you mean 'reals'"),
    ('weights', (1, 2), 'accepted: 3 numbers'),
    ('weights', (1, -2, 3), 'accepted: 3 numbers'),
    ('weights', (0, 0, 0), 'accepted: 3 numbers'),
    ('uniform', (1, 2, 3), 'has no part in'),
  ],
)
def test_what_does_not_fit_is_refused(rule, weights, match):
  with pytest.raises(UserError, match=match):
    labels.probabilities(rule, weights, COUNTS)


@pytest.mark.parametrize('probabilities', [[0.3, 0.0, 0.7], [0.0, 1.0, 0.0], [1.0], [0.2] * 5])
def test_classes_are_drawn_as_often_as_they_should(probabilities):
  keys = draws.per_example(jax.random.key(0), jnp.arange(5000))
  found = np.asarray(jax.jit(labels.draw)(keys, jnp.array(probabilities)))
  counts = np.bincount(found, minlength=len(probabilities))
  expected = 5000 * np.array(probabilities)
  assert (counts[expected == 0] == 0).all()
  some = expected > 0
  if some.sum() > 1:
    assert scipy.stats.chisquare(counts[some], expected[some]).pvalue > 1e-3


@pytest.mark.parametrize(('u', 'drawn'), [(0.0, 1), (0.25, 3), (1.0, 3)])
def test_at_the_very_ends_of_an_interval_no_class_is_drawn_that_cannot_be(monkeypatch, u, drawn):
  monkeypatch.setattr(labels.jax.random, 'uniform', lambda key: jnp.float32(u))
  keys = jax.random.split(jax.random.key(0), 2)
  probabilities = jnp.array([0.0, 0.25, 0.0, 0.75, 0.0])
  np.testing.assert_array_equal(labels.draw(keys, probabilities), [drawn] * 2)
