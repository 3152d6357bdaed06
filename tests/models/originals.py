"""Holds our networks to what an original's own code made of the same weights and inputs."""

import pathlib

import jax
import numpy as np
from flax import traverse_util

from tests.models import drawn

FIXTURES = pathlib.Path(__file__).parent / 'fixtures'


def load(name):
  """The arrays of a fixture."""
  return dict(np.load(FIXTURES / f'{name}.npz'))


def part(fixture, prefix):
  """The arrays of a fixture below a prefix, by the rest of their names."""
  return {
    name.removeprefix(f'{prefix}/'): value
    for name, value in fixture.items()
    if name.startswith(f'{prefix}/')
  }


def variables(module, prefix, *inputs, train=True, **options):
  """A network's variables, drawn by their paths; averages and counters as they begin.

  Args:
    module: the network.
    prefix: of the names that the weights are drawn by.
    inputs: of its first call.
    train: passed to it.
    options: more of it.
  """
  run = lambda: module.init(jax.random.key(0), *inputs, train=train, **options)
  shapes = jax.eval_shape(run)

  def make(path, leaf):
    collection, *names = (str(getattr(key, 'key', getattr(key, 'idx', ''))) for key in path)
    if collection == 'batch_stats':
      return np.full(leaf.shape, float(names[-1] == 'var'), np.float32)
    return drawn.weights('/'.join([prefix, *names]), leaf.shape)

  return jax.tree_util.tree_map_with_path(make, shapes)


def in_float64(tree):
  """Arrays as they are needed under `jax.enable_x64`.

  Programs that are compiled fast add one float32 to the other: over large images that is not near
  enough to an original, and to compile them as in runs takes three times as long.
  """
  return jax.tree.map(lambda x: np.asarray(x, np.float64), tree)


def close(found, expected, tolerance=1e-3):
  """Within 1e-3 of the largest value of an array."""
  scale = float(np.abs(expected).max()) or 1.0
  np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * scale)


def check_gradient(gradient, prefix, fixture, tolerance=1e-3):
  """Length and direction of each parameter's gradient, within 1e-3 of its length.

  One whose length is rounding beside the largest is left out: that of a bias before a
  normalisation.
  """
  flat = traverse_util.flatten_dict(gradient, sep='/')
  known = part(fixture, prefix)
  assert set(flat) == set(known)
  largest = max(length for length, _ in known.values())
  for name, value in flat.items():
    expected = known[name]
    if expected[0] > 1e-4 * largest:
      found = drawn.told(name, np.asarray(value))
      assert np.abs(found - expected).max() <= tolerance * expected[0], (name, found, expected)
