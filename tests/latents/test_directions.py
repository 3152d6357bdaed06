import inspect
import types

import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UserError
from gan_jax.latents import directions, responses
from gan_jax.latents import space as spaces
from tests.sampling import drawn

SIZES = {'resnet': (32, 32), 'biggan': (32, 32), 'fastgan': (64, 64)}
QUICK = ('dcgan', 'stylegan2')
ARCHITECTURES = [
  pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in drawn.MODULES
]


def opened(name, **options):
  model = drawn.model(name, SIZES.get(name, (16, 16)), **options)
  space = spaces.open_space(model.generator, '')
  return model, space, spaces.coordinates(space, model.variables)


def alike(first, second):
  """Cosines, without sign, of rows that belong together."""
  unit = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)
  return np.abs(np.sum(unit(first) * unit(second), axis=1))


@pytest.mark.parametrize('name', ARCHITECTURES)
def test_every_architecture_has_components_and_weights(name):
  model, space, learnt = opened(name)
  for find in (directions.components, directions.weights):
    found = find(space, model.variables, learnt, 4)
    assert found.vectors.shape == (4, space.size)
    assert np.isfinite(found.vectors).all()
    assert (np.diff(found.shares) <= 1e-9).all()
    assert 0 < found.shares[0] <= 1
  if space.name == 'z':  # a standard deviation of N(0, I) is 1 everywhere
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize('way', ['components', 'weights'])
def test_a_model_is_asked_by_the_way_the_number_and_the_seed_that_are_told(plain, way, monkeypatch):
  told, asked = inspect.signature(getattr(directions, way)), []
  monkeypatch.setattr(directions, way, lambda *given: asked.append(told.bind(*given).arguments))
  plain.directions(way, 3, seed=5)
  plain.directions(way)
  assert [(each['count'], each.get('seed', 0)) for each in asked] == [(3, 5), (8, 0)]
  assert asked[0]['space'] == spaces.open_space(plain.generator, '')
  with pytest.raises(UserError, match="by=weight: did you mean 'weights'"):
    plain.directions('weight')


def test_components_are_those_of_numpys_svd_of_the_responses():
  model, space, learnt = opened('dcgan', classes=0)
  found = directions.components(space, model.variables, learnt, 3)
  z = directions.draw(space, model.variables).points
  answers = np.asarray(
    responses.first(space, model.variables, jnp.asarray(z), jnp.zeros(len(z), int)), np.float64
  )
  _, singular, right = np.linalg.svd(answers - answers.mean(axis=0), full_matrices=False)
  np.testing.assert_allclose(found.shares, singular[:3] ** 2 / np.sum(singular**2), rtol=1e-3)
  # By the normal equations of Σ ‖U x − z‖², of scores x.
  scores = (answers - answers.mean(axis=0)) @ right[:3].T
  fit, *_ = np.linalg.lstsq(scores, z[:, 0] - z[:, 0].mean(axis=0), rcond=None)
  assert (alike(found.vectors, fit) > 0.999).all()


def test_components_of_w_are_its_principal_axes_and_a_deviation_long():
  model, space, learnt = opened('stylegan2', classes=0)
  found = directions.components(space, model.variables, learnt, 3)
  w = directions.draw(space, model.variables).points[:, 0]
  variance, axes = np.linalg.eigh(np.cov(w, rowvar=False))
  assert (alike(found.vectors, axes[:, ::-1][:, :3].T) > 0.99).all()
  lengths = np.linalg.norm(found.vectors, axis=1)
  np.testing.assert_allclose(lengths, np.sqrt(variance[::-1][:3]), rtol=0.1)


def test_weights_of_the_first_layer_are_those_of_numpys_eigh():
  model, space, learnt = opened('dcgan')
  found = directions.weights(space, model.variables, learnt, 3)
  kernel = model.variables['params']['conv2']['kernel']  # [h, w, features, z and embedding]
  matrix = np.asarray(kernel, np.float64).reshape(-1, kernel.shape[-1])[:, :8]
  values, axes = np.linalg.eigh(matrix.T @ matrix)
  assert (alike(found.vectors, axes[:, ::-1][:, :3].T) > 0.999).all()
  np.testing.assert_allclose(found.shares, values[::-1][:3] / values.sum(), rtol=1e-3)


def test_weights_of_styles_are_those_of_numpys_eigh():
  model, space, learnt = opened('stylegan2')
  found = directions.weights(space, model.variables, learnt, 3)
  styles = [
    layer['style']['kernel']
    for block in model.variables['params'].values()
    for layer in _modulated(block)
  ]
  matrix = np.concatenate([np.asarray(kernel, np.float64) / 4 for kernel in styles], axis=1)
  _, axes = np.linalg.eigh(matrix @ matrix.T)
  assert (alike(found.vectors, axes[:, ::-1][:, :3].T) > 0.999).all()


def _modulated(tree):
  """Every layer with a style, at any depth."""
  if isinstance(tree, dict):
    if 'style' in tree:
      yield tree
    for value in tree.values():
      yield from _modulated(value)


def test_hierarchical_latents_all_have_a_part_in_the_weights():
  model, space, learnt = opened('biggan')
  found = directions.weights(space, model.variables, learnt, 8)
  pieces = np.abs(found.vectors).reshape(8, 4, 2).sum(axis=2)  # the stem's and three blocks'
  assert (pieces.max(axis=0) > 0.5).all()


def test_moving_by_0_changes_nothing_and_moves_are_symmetric_and_in_layers():
  w = np.random.default_rng(0).normal(size=(3, 5, 4)).astype(np.float32)
  vector = np.arange(4, dtype=np.float32)
  np.testing.assert_array_equal(directions.moved(w, vector, 0), w)
  there, back = directions.moved(w, vector, 1.5), directions.moved(w, vector, -1.5)
  np.testing.assert_allclose((there + back) / 2, w, atol=1e-6)
  np.testing.assert_allclose(directions.moved(there, vector, -1.5), w, atol=1e-6)
  some = directions.moved(w, vector, 2, slice(1, 3))
  np.testing.assert_array_equal(some[:, [0, 3, 4]], w[:, [0, 3, 4]])
  np.testing.assert_allclose(some[:, 1:3] - w[:, 1:3], np.broadcast_to(2 * vector, (3, 2, 4)))
  np.testing.assert_allclose(directions.moved(w[:, 0], vector, 1), w[:, 0] + vector)


@pytest.mark.parametrize('name', ['dcgan', 'stylegan2'])
def test_the_direction_of_an_attribute_raises_it(name):
  model, space, learnt = opened(name)
  draw = directions.draw(space, model.variables, 600)
  bright = lambda images: images.mean(axis=(1, 2, 3))
  make = lambda stored: (
    model.images(stored, draw.labels, fixed_noise=True)
    if space.name == 'z'
    else model.images_of_styles(stored)
  )
  stored = space.as_stored(draw.points)
  at = {0: bright(make(stored))}
  found = directions.separating(space, learnt, draw, {'bright': at[0]})
  assert found.shares[0] > 0.6
  for strength in (-1, 1):
    at[strength] = bright(make(directions.moved(stored, found.vector('bright'), strength)))
  assert at[-1].mean() < at[0].mean() < at[1].mean()
  limit = np.median(at[0])
  assert np.mean(at[1] > limit) > 0.5 > np.mean(at[-1] > limit)


def test_unless_asked_directions_are_of_the_draws_of_one_seed(monkeypatch):
  usual, asked = inspect.signature(directions.draw).parameters['seed'].default, []

  def drawn_of(space, variables, count=0, seed=usual):
    asked.append(seed)
    raise StopIteration

  monkeypatch.setattr(directions, 'draw', drawn_of)
  for find in (directions.components, directions.weights):
    for seed in ({}, {'seed': 5}):
      with pytest.raises(StopIteration):
        find(None, None, None, 4, **seed)
  assert asked == [usual, 5] * 2


def test_as_many_points_are_drawn_as_a_latent_needs(monkeypatch):
  zeros = lambda key, places, size: jnp.zeros((len(places), size))
  monkeypatch.setattr(directions.draws, 'draw_latents', zeros)
  draw = lambda size, **how: directions.draw(
    spaces.Space('z', types.SimpleNamespace(latent_size=size), 1, size, 0, 3), {}, **how
  )
  found = draw(300)
  assert found.points.shape == (2400, 1, 300)  # eight for each of its numbers
  np.testing.assert_array_equal(found.labels[:4], [0, 1, 2, 0])
  assert draw(8).points.shape == (2000, 1, 8)
  assert draw(300, count=7).points.shape == (7, 1, 300)


def test_where_a_sign_says_nothing_the_largest_number_is_positive():
  found = directions._signed(np.array([[1.0, -3, 2], [1, 3, -2], [0, 0, 0]]))
  np.testing.assert_array_equal(found, [[-1, 3, -2], [1, 3, -2], [0, 0, 0]])


def test_the_class_is_not_mistaken_for_an_attribute_that_it_goes_with():
  """Answers that are of the class but for a little of z 3: the direction is along z 3."""
  _, space, learnt = opened('dcgan')
  rng = np.random.default_rng(0)
  z, labels = rng.normal(size=(3000, 8)).astype(np.float32), np.arange(3000, dtype=np.int32) % 3
  draw = directions.Draws(z[:, None], z, labels)
  found = directions.separating(space, learnt, draw, {'x': 3.0 * labels + z[:, 3]})
  assert alike(found.vectors, np.eye(8)[[3]]) > 0.95


def test_classes_of_w_are_ways_from_the_mean_of_all_to_their_own():
  _, space, learnt = opened('stylegan2')
  found = directions.between_classes(space, learnt, ('cat', 'dog', 'owl'))
  assert found.names == ('class=cat', 'class=dog', 'class=owl')
  np.testing.assert_allclose(found.vectors.sum(axis=0), 0, atol=1e-4)
  np.testing.assert_allclose(
    found.vectors[0] - found.vectors[1], learnt.mean[0] - learnt.mean[1], atol=1e-5
  )


def test_a_name_that_is_none_is_refused():
  found = directions.Directions('z', ('component1',), np.ones((1, 8)), np.ones(1))
  with pytest.raises(UserError, match='--move=pc1: unknown; accepted: component1'):
    found.vector('pc1')
