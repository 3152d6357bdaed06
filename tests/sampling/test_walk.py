import numpy as np
import pytest

from gan_jax.errors import UserError
from gan_jax.sampling import walk
from tests.sampling import drawn
from tests.sampling.test_model import ARCHITECTURES, SIZES


@pytest.mark.parametrize('easing', walk.EASINGS)
@pytest.mark.parametrize('loop', [True, False])
def test_a_walk_has_the_frames_asked_for_and_passes_through_its_keyframes(easing, loop):
  rng = np.random.default_rng(0)
  for shape, arc in (((4, 8), True), ((4, 3, 5), False)):
    keys = rng.standard_normal(shape).astype(np.float32)
    at = walk.times(4, 7, loop, easing)
    assert len(at) == (28 if loop else 22)
    points = walk.along(keys, at, arc)
    assert points.dtype == np.float32
    np.testing.assert_array_equal(points[::7], keys)
    assert (np.diff(at) > 0).all()


def test_the_ends_of_a_loop_meet():
  keys = np.random.default_rng(0).standard_normal((3, 8)).astype(np.float32)
  at = walk.times(3, 10, loop=True)
  longer = walk.along(keys, np.append(at, 3.0), arc=True)
  np.testing.assert_array_equal(longer[-1], longer[0])
  steps = np.linalg.norm(np.diff(longer, axis=0), axis=1).reshape(3, 10)
  # On each arc of points of unlike lengths steps change, but nowhere is a jump.
  assert (steps.max(axis=1) < 3 * steps.min(axis=1)).all()


def test_arcs_keep_the_length_of_latents_and_lines_do_not():
  keys = np.random.default_rng(1).standard_normal((2, 64)).astype(np.float32)
  keys /= np.linalg.norm(keys, axis=1, keepdims=True)
  at = walk.times(2, 16, loop=False)
  lengths = lambda arc: np.linalg.norm(walk.along(keys, at, arc), axis=1)
  np.testing.assert_allclose(lengths(True), 1, rtol=1e-5)
  assert lengths(False)[8] < 0.9
  middle = walk.along(keys, at, arc=False)[8]
  np.testing.assert_allclose(middle, keys.mean(axis=0), rtol=1e-5, atol=1e-6)


def test_easing_slows_down_at_keyframes_and_is_symmetric():
  for name in ('sine', 'cubic'):
    at = walk.times(2, 100, loop=False, easing=name)
    steps = np.diff(at)
    assert steps[0] < 0.1 * steps[50]
    np.testing.assert_allclose(steps, steps[::-1], atol=1e-12)


@pytest.mark.parametrize(
  ('settings', 'said'),
  [
    ({'count': 1}, '1 keyframe: a walk needs two'),
    ({'frames': 0}, '--frames=0: accepted: 1 to 33,333'),
    ({'frames': 33_334}, '--frames=33334'),
    ({'easing': 'lienar'}, "--easing=lienar: did you mean 'linear'"),
  ],
)
def test_walks_that_cannot_be_are_refused(settings, said):
  with pytest.raises(UserError, match=said):
    walk.times(**{'count': 3, 'frames': 10, 'loop': True, **settings})


@pytest.mark.parametrize('name', ARCHITECTURES)
def test_frames_at_keyframes_are_the_images_of_the_keyframes(name):
  model = drawn.model(name, SIZES.get(name, (16, 16)))
  images = model.interpolate([3, 4, 5, 6], frames=2, loop=True)
  assert images.shape == (8, *model.resolution, 1)
  latents = np.concatenate([model.latents(1, seed=seed) for seed in (3, 4, 5, 6)])
  expected = model.images(latents, fixed_noise=True)
  assert np.abs(images[::2].astype(int) - expected).max() <= 1  # programs of other sizes
  assert len(np.unique(images, axis=0)) == 8
  if model.has_styles:
    again = model.interpolate(model.styles(latents), frames=2, loop=True, styles=True)
    np.testing.assert_array_equal(again, images)
    in_z = model.interpolate(latents, frames=2, loop=True, space='z')
    assert np.abs(in_z[::2].astype(int) - expected).max() <= 1
    assert np.abs(in_z[1::2].astype(int) - images[1::2]).max() > 1


def test_a_walk_between_classes_goes_by_their_weights():
  model = drawn.model()
  z = model.latents(1, seed=3)
  images = model.interpolate(np.repeat(z, 2, axis=0), [0, 2], frames=4)
  weights = np.array([[1, 0, 0], [0.75, 0, 0.25], [0.5, 0, 0.5], [0.25, 0, 0.75], [0, 0, 1]])
  expected = model.images(np.repeat(z, 5, axis=0), weights)
  again = model.interpolate(np.repeat(z, 2, axis=0), weights[[0, -1]], frames=4)
  np.testing.assert_array_equal(again, images)
  assert np.abs(images.astype(int) - expected).max() <= 1


def test_spaces_and_truncations_that_a_model_does_not_have_are_refused():
  model = drawn.model()
  with pytest.raises(UserError, match='--space=v: accepted: z, w'):
    model.interpolate([0, 1], space='v')
  with pytest.raises(UserError, match='no mapping network'):
    model.interpolate([0, 1], space='w')
  for labels in ([0, 3], [0], [0.5, 1.0]):
    with pytest.raises(UserError, match=r'labels: .*accepted: '):
      model.interpolate([0, 1], labels)
  for keyframes in ([0.5, 1.0], [], np.zeros((2, 7))):
    with pytest.raises(UserError, match=r'latents: .*accepted: \(N, 8\)'):
      model.interpolate(keyframes)
  with pytest.raises(UserError, match='truncation=-1'):
    model.interpolate([0, 1], truncation=-1)
