import types

import jax
import numpy as np
import pytest

from gan_jax.features import classifier, kept


def dataset(**changed):
  about = {'fingerprint': 'a', 'stamp': '', 'shape': (16, 16, 1), 'num_classes': 3}
  return types.SimpleNamespace(**(about | changed))


@pytest.mark.parametrize(
  'changed',
  [{'fingerprint': 'b'}, {'stamp': 'written anew'}, {'shape': (16, 16, 3)}, {'num_classes': 4}],
)
def test_other_data_have_a_classifier_of_their_own(changed):
  same, other = dataset(), dataset(**changed)
  paths = {classifier._path(*of) for of in ((same, same), (other, same), (same, other))}
  assert len(paths) == 3


def test_other_code_has_a_classifier_of_its_own(monkeypatch):
  before = classifier._path(dataset(), dataset())
  assert classifier._path(dataset(), dataset()) == before
  monkeypatch.setattr(kept, 'code', lambda: 'other')
  assert classifier._path(dataset(), dataset()) != before


@pytest.mark.parametrize('key', classifier.Recipe._fields)
def test_another_recipe_has_a_classifier_of_its_own(key, monkeypatch):
  before, value = classifier._path(dataset(), dataset()), getattr(classifier.RECIPE, key)
  other = (*value, 8) if isinstance(value, tuple) else 2 * value + 1
  monkeypatch.setattr(classifier, 'RECIPE', classifier.RECIPE._replace(**{key: other}))
  assert classifier._path(dataset(), dataset()) != before


def test_a_torn_cache_counts_as_not_there(tmp_path):
  path = tmp_path / 'classifier.npz'
  params = {'Dense_0': {'kernel': np.ones((2, 3), np.float32)}}
  classifier._save(path, params, 0.5)
  loaded, accuracy = classifier._load(path)
  np.testing.assert_array_equal(loaded['Dense_0']['kernel'], params['Dense_0']['kernel'])
  assert accuracy == 0.5
  whole = path.read_bytes()
  for length in (0, 50, len(whole) - 1):
    path.write_bytes(whole[:length])
    assert classifier._load(path) is None


def test_a_recipe_keeps_its_key_so_that_caches_hold():
  whole = classifier.Recipe()
  assert whole._asdict() == {
    'widths': (16, 32, 64),
    'features': 128,
    'images': 80_000,
    'passes': 5,
    'most_images': 300_000,
    'batch_size': 50,
    'learning_rate': 2e-3,
    'rotation': 0.3,
    'log_scale': 0.2,
    'shift': 0.08,
  }


@pytest.mark.parametrize(
  ('count', 'updates'), [(20, 4_000), (4_000, 1_600), (60_000, 6_000), (1_000_000, 6_000)]
)
def test_more_images_are_shown_of_larger_datasets_up_to_a_bound(count, updates):
  assert classifier.Recipe().updates(count) == updates


def test_arrays_are_learnt_and_the_same_bits_come_of_the_same_images():
  rng = np.random.default_rng(0)
  labels = np.arange(90) % 3
  images = (
    rng.integers(0, 80, (90, 16, 16, 1), np.uint8)
    + (labels * 80).astype(np.uint8)[:, None, None, None]
  )
  fetch = lambda rows: {'image': images[rows], 'label': labels[rows]}
  model = classifier.Classifier(3, classifier.Recipe(images=1_000))
  params, again = (classifier.fit(model, fetch, 60) for _ in range(2))
  for a, b in zip(jax.tree.leaves(params), jax.tree.leaves(again), strict=True):
    np.testing.assert_array_equal(a, b)
  logits_of = lambda images: classifier.run(model, params, images)[1]
  found, truth = classifier.predict(logits_of, fetch, 90)
  np.testing.assert_array_equal(truth, labels)
  assert classifier.accuracy(logits_of, fetch, 90) == np.mean(found == labels) > 0.9


@pytest.mark.parametrize(('classes', 'found'), [(0, 'none'), (1, 'one class')])
def test_less_than_two_classes_are_refused_before_anything_is_learnt(classes, found):
  from gan_jax.errors import UserError
  from gan_jax.features.network import Request

  data = dataset(num_classes=classes, name='mine train')
  with pytest.raises(UserError, match=f'dataset mine train has {found}'):
    classifier.check(Request(data, data))


def test_other_weights_have_another_digest():
  params = {'Dense_0': {'kernel': np.ones((2, 3), np.float32)}}
  other = {'Dense_0': {'kernel': np.ones((2, 3), np.float32) * np.float32(1 + 1e-6)}}
  assert classifier._digest(params) == classifier._digest(jax.tree.map(np.copy, params))
  assert classifier._digest(params) != classifier._digest(other)


def test_images_are_distorted_by_each_of_the_settings():
  images = jax.random.uniform(jax.random.key(0), (4, 16, 16, 1))
  still = classifier.Recipe(rotation=0.0, log_scale=0.0, shift=0.0)
  distort = lambda recipe: classifier.distort(recipe, jax.random.key(1), images)
  np.testing.assert_allclose(distort(still), images, atol=1e-5)
  for key, value in (('rotation', 0.3), ('log_scale', 0.2), ('shift', 0.08)):
    moved = still._replace(**{key: value})
    assert np.abs(distort(moved) - images).mean() > 0.01, key
    without = classifier.distort(moved, jax.random.key(1), images, 0.0)
    np.testing.assert_allclose(without, images, atol=1e-5)


def test_turns_scales_and_shifts_go_both_ways_as_far_as_told_and_each_by_itself():
  """Read off the ramps of rows and columns, which a map of the places keeps as ramps."""
  side, count, told = 16, 200, classifier.Recipe()
  y, x = np.indices((side, side)) - (side - 1) / 2
  ramps = np.broadcast_to(np.stack([y, x], axis=-1), (count, side, side, 2)).astype(np.float32)
  found = np.asarray(jax.jit(classifier.distort, static_argnums=0)(told, jax.random.key(0), ramps))
  middle = slice(4, 12)  # which nothing moves beyond the edge
  at = np.stack([y, x, np.ones_like(y)], axis=-1)[middle, middle].reshape(-1, 3)
  seen = np.moveaxis(found[:, middle, middle].reshape(count, -1, 2), 0, 1).reshape(len(at), -1)
  rows, columns = np.linalg.lstsq(at, seen, rcond=None)[0].reshape(3, count, 2).transpose(2, 0, 1)
  draws = {
    'rotation': np.arctan2(rows[1], rows[0])[None] / told.rotation,
    'log_scale': np.log([np.hypot(*each[:2]) for each in (rows, columns)]) / told.log_scale,
    'shift': np.stack([rows[2], columns[2]]) / (side * told.shift),
  }
  for name, each in draws.items():
    assert np.abs(each).max() <= 1 + 1e-3, name
    assert (each.min(axis=1) < -0.9).all(), name
    assert (each.max(axis=1) > 0.9).all(), name
  together = np.corrcoef(np.concatenate([*draws.values()]))
  assert np.abs(together - np.eye(5)).max() < 4 / np.sqrt(count)


@pytest.mark.parametrize(
  ('size', 'left'), [((16, 16), 2 * 2), ((32, 32), 4 * 4), ((28, 28), 4 * 4), ((64, 96), 4 * 6)]
)
def test_every_layer_halves_the_resolution_down_to_about_four_pixels(size, left):
  model = classifier.Classifier(3, classifier.Recipe())
  images = jax.ShapeDtypeStruct((2, *size, 1), np.float32)
  params = jax.eval_shape(model.init, jax.random.key(0), images)['params']
  assert params['Dense_0']['kernel'].shape == (left * 64, 128)


def test_it_learns_from_distorted_images_by_draws_of_each_step_ever_less(monkeypatch):
  seen, strengths = [], []

  def distort(recipe, key, images, strength):
    jax.debug.callback(lambda key: seen.append(tuple(key.tolist())), jax.random.key_data(key))
    jax.debug.callback(lambda strength: strengths.append(float(strength)), strength)
    return 0 * images

  monkeypatch.setattr(classifier, 'distort', distort)
  rng = np.random.default_rng(0)
  images = rng.integers(0, 256, (20, 16, 16, 1), dtype=np.uint8)
  fetch = lambda rows: {'image': images[rows], 'label': (rows % 2).astype(np.int32)}
  recipe = classifier.Recipe(widths=(8,), features=8, images=30, batch_size=10, passes=0)
  params = classifier.fit(classifier.Classifier(2, recipe), fetch, len(images))
  jax.effects_barrier()
  assert len(set(seen)) == 3
  assert sorted(strengths) == pytest.approx([0.25, 0.75, 1.0])  # half a cosine, at 2/3, 1/3 and 0
  # What it is shown are the distorted images: of black ones the first layer learns nothing.
  first = classifier.Classifier(2, recipe).init(jax.random.key(0), np.float32(images[:1]))['params']
  np.testing.assert_array_equal(params['Conv_0']['kernel'], first['Conv_0']['kernel'])
