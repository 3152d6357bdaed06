import numpy as np

from gan_jax.latents.outside import p_values


def test_p_values_are_ranks_as_counted_one_by_one():
  rng = np.random.default_rng(0)
  references, distances = rng.integers(0, 9, 20) / 3, rng.integers(0, 12, 30) / 3
  expected = [(1 + sum(r >= d for r in references)) / 21 for d in distances]
  np.testing.assert_allclose(p_values(distances, references), expected)


def test_of_exchangeable_distances_no_more_than_p_are_at_most_p():
  rng = np.random.default_rng(0)
  found = np.concatenate(
    [p_values(rng.exponential(size=1), rng.exponential(size=19)) for _ in range(4000)]
  )
  for p in (0.05, 0.1, 0.5):
    assert abs(np.mean(found <= p + 1e-9) - p) < 4 * np.sqrt(p * (1 - p) / 4000)
