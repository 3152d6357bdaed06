import numpy as np
import pytest
from scipy.spatial import distance
from sklearn.neighbors import NearestNeighbors

from gan_jax.metrics import neighbours


def draw(count, features=5, offset=0.0, seed=0):
  rng = np.random.default_rng([seed, count])
  return (rng.normal(size=(count, features)) + offset).astype(np.float32)


@pytest.fixture(params=[None, 90])
def small_blocks(request, monkeypatch):
  if request.param:
    monkeypatch.setattr(neighbours, '_ELEMENTS', request.param)


@pytest.mark.usefixtures('small_blocks')
@pytest.mark.parametrize('offset', [0, 100])
def test_radii_are_scikit_learns(offset):
  x = draw(80, offset=offset)
  found, _ = NearestNeighbors(n_neighbors=4, algorithm='brute').fit(x.astype(float)).kneighbors()
  np.testing.assert_allclose(np.sqrt(neighbours.radii(x, 4)), found[:, -1], rtol=1e-6)


def test_an_outlier_does_not_hide_the_other_distances():
  x = draw(80)
  x[0] = 1e7
  found, _ = (
    NearestNeighbors(n_neighbors=4, algorithm='brute').fit(x[1:].astype(float)).kneighbors()
  )
  np.testing.assert_allclose(np.sqrt(neighbours.radii(x, 4))[1:], found[:, -1], rtol=1e-3)


@pytest.mark.usefixtures('small_blocks')
def test_the_nearest_are_scikit_learns():
  x, y = draw(70, seed=1), draw(80)
  apart, rows = NearestNeighbors(n_neighbors=1).fit(y).kneighbors(x)
  found = neighbours.nearest(x, y)
  np.testing.assert_array_equal(found[0], rows[:, 0])
  np.testing.assert_allclose(found[1], apart[:, 0], rtol=1e-6)
  which = np.array([3, 17, 50])
  apart, _ = NearestNeighbors(n_neighbors=1).fit(y).kneighbors()
  np.testing.assert_allclose(neighbours.nearest_others(y, which), apart[which, 0], rtol=1e-6)


@pytest.mark.usefixtures('small_blocks')
def test_hits_are_counted_strictly_inside():
  centres, points = draw(60), draw(50, seed=1)
  radii = neighbours.radii(centres, 3)
  inside = distance.cdist(centres, points, 'sqeuclidean') < radii[:, None]
  found = neighbours.hits(centres, radii, points)
  np.testing.assert_array_equal(found.by_ball, inside.sum(axis=1))
  np.testing.assert_array_equal(found.by_point, inside.sum(axis=0))
  at_the_rim = neighbours.hits(np.zeros((1, 2)), np.array([25.0]), np.array([[3.0, 4.0], [3, 3.9]]))
  np.testing.assert_array_equal(at_the_rim.by_point, [0, 1])


@pytest.mark.usefixtures('small_blocks')
@pytest.mark.parametrize('offset', [0, 1000])
def test_copies_are_no_distance_apart(offset):
  x = draw(40, offset=offset)
  twice = np.concatenate([x, x])
  assert not neighbours.radii(twice, 1).any()
  rows, apart = neighbours.nearest(x, twice[::-1])
  np.testing.assert_array_equal(twice[::-1][rows], x)
  assert not apart.any()


def test_near_copies_far_from_the_others_keep_their_distance():
  x = draw(40)
  x[0], x[1:3] = 1e4, x[5]
  x[2, 0] += 1e-3
  _, apart = neighbours.nearest(x[2:3], np.delete(x, 2, axis=0))
  np.testing.assert_allclose(apart, abs(float(x[2, 0]) - float(x[5, 0])), rtol=1e-9)


@pytest.mark.parametrize(('count', 'few'), [(120, 60), (8, 4)])  # 4: each has three others
def test_hits_of_halves_are_those_of_the_halves_alone(count, few):
  centres, points, k = draw(count), draw(100, seed=1), 3
  found = neighbours._Balls.of(centres, points, k)
  rng = np.random.default_rng(0)
  half, other = rng.permutation(count) < few, rng.permutation(100) < 50
  for kept, seen in ((half, None), (None, other), (half, other), (None, None)):
    a = centres if kept is None else centres[kept]
    b = points if seen is None else points[seen]
    expected = neighbours.hits(a, neighbours.radii(a, k), b)
    for one, same in zip(found.hits(kept, seen), expected, strict=True):
      np.testing.assert_array_equal(one, same)
