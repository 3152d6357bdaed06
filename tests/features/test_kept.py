"""Features of real images are computed once, and never mistaken for others."""

import os
import pathlib
import shutil
import types

import numpy as np
import pytest

from gan_jax.features import kept
from gan_jax.features.network import FeatureNetwork


def network(name='mean', weight=1.0, source='test', resize='none'):
  params, apply = {'w': np.full(2, weight)}, lambda p, x: (x, None)
  return FeatureNetwork(name, params, apply, {'source': source}, resize)


@pytest.fixture
def computed(tmp_path, monkeypatch):
  """Looks features up in an empty cache; the list grows whenever they are computed."""
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
  calls = []

  def look_up(*about, logits=None):
    def compute():
      calls.append(about)
      return np.full((3, 2), float(len(calls)), np.float32), logits

    return kept.real_features(*about, compute)

  return look_up, calls


def test_the_same_images_and_network_are_computed_once(computed):
  look_up, calls = computed
  logits = np.arange(6.0).reshape(3, 2)
  first = look_up(network(), 'digits', np.arange(3), logits=logits)
  again = look_up(network(), 'digits', np.arange(3))
  assert len(calls) == 1
  for a, b in zip(first, again, strict=True):
    np.testing.assert_array_equal(a, b)


def test_without_logits_there_are_none_after_loading(computed):
  look_up, _ = computed
  look_up(network(), 'digits', np.arange(3))
  assert look_up(network(), 'digits', np.arange(3))[1] is None


def test_other_images_weights_and_networks_are_computed_anew(computed):
  look_up, calls = computed
  look_up(network(), 'digits', np.arange(3))
  look_up(network(), 'other digits', np.arange(3))
  look_up(network(), 'digits', np.arange(1, 4))
  look_up(network(weight=2.0), 'digits', np.arange(3))
  look_up(network(name='other'), 'digits', np.arange(3))
  look_up(network(source='another'), 'digits', np.arange(3))
  look_up(network(resize='legacy'), 'digits', np.arange(3))
  assert len(calls) == 7


def test_features_by_other_code_or_another_device_are_computed_anew(computed, monkeypatch):
  look_up, calls = computed
  look_up(network(), 'digits', np.arange(3))
  with monkeypatch.context() as patch:
    patch.setattr(kept, 'code', lambda: 'other')
    look_up(network(), 'digits', np.arange(3))
  assert len(calls) == 2
  with monkeypatch.context() as patch:
    patch.setattr(kept.jax, 'devices', lambda: [types.SimpleNamespace(device_kind='other')])
    look_up(network(), 'digits', np.arange(3))
  assert len(calls) == 3


@pytest.mark.parametrize(
  'changed',
  ['features/resize.py', 'ops/pixels.py', 'models/layers.py', 'pretrained/efficientnet_lite.py'],
)
def test_the_code_is_what_makes_features(tmp_path, monkeypatch, changed):
  root = pathlib.Path(kept.__file__).parents[1]
  for name in ('features', 'ops', 'models', 'pretrained'):
    shutil.copytree(root / name, tmp_path / name, ignore=shutil.ignore_patterns('__pycache__'))
  monkeypatch.setattr(kept, '__file__', str(tmp_path / 'features' / 'kept.py'))
  before = kept._hash()
  assert before == kept.code()
  with (tmp_path / changed).open('a') as file:
    file.write('# changed')
  assert kept._hash() != before


def test_a_file_that_another_process_removes_meanwhile_is_no_loss(computed, monkeypatch):
  look_up, calls = computed
  look_up(network(), 'digits', np.arange(3))
  touch = os.utime
  monkeypatch.setattr(os, 'utime', lambda path: (os.unlink(path), touch(path)))
  look_up(network(), 'digits', np.arange(3))
  assert len(calls) == 1


@pytest.mark.parametrize('folder', ['/dev/null', 'file'])
def test_without_a_cache_folder_features_are_computed_each_time(
  computed, monkeypatch, tmp_path, folder
):
  look_up, calls = computed
  (tmp_path / 'file').touch()
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / folder))
  look_up(network(), 'digits', np.arange(3))
  look_up(network(), 'digits', np.arange(3))
  assert len(calls) == 2


def test_little_is_kept_of_what_is_large(computed, tmp_path, monkeypatch):
  look_up, calls = computed
  look_up(network(), 'digits', np.arange(3))
  (path,) = tmp_path.rglob('*.features.npz')
  monkeypatch.setattr(kept, '_KEPT_BYTES', 2 * path.stat().st_size)
  for shift in range(1, 5):
    look_up(network(), 'digits', np.arange(shift, shift + 3))
  assert len(list(tmp_path.rglob('*.features.npz'))) == 2
  look_up(network(), 'digits', np.arange(4, 7))
  assert len(calls) == 5  # the newest is there


def test_a_torn_file_is_computed_anew(computed, tmp_path):
  look_up, calls = computed
  look_up(network(), 'digits', np.arange(3))
  (path,) = tmp_path.rglob('*.features.npz')
  path.write_bytes(path.read_bytes()[:50])
  look_up(network(), 'digits', np.arange(3))
  look_up(network(), 'digits', np.arange(3))
  assert len(calls) == 2


def test_code_that_was_edited_since_the_start_has_a_key_of_its_own(monkeypatch):
  before = kept.code()
  monkeypatch.setattr(kept, '_hash', lambda: 'edited')
  mixed = kept.code()
  monkeypatch.setattr(kept, '_AT_START', 'edited')
  assert len({before, mixed, kept.code()}) == 3
