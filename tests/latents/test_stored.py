import zipfile

import numpy as np
import pytest

from gan_jax.errors import UserError
from gan_jax.latents import stored
from gan_jax.latents.directions import Directions
from gan_jax.latents.stored import Latents


def read(path, z=8, w=(5, 4), classes=3):
  return stored.read_latents(str(path), '--latents', z, w, classes)


@pytest.mark.parametrize(('space', 'shape'), [('z', (2, 8)), ('w', (2, 5, 4))])
def test_latents_come_back(tmp_path, space, shape):
  values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
  latents = Latents(space, values, np.array([2, 0], np.int32), ('a', '猫.png'))
  with open(tmp_path / 'l.npz', 'wb') as file:
    stored.write_latents(file, latents)
  found = read(tmp_path / 'l.npz')
  np.testing.assert_array_equal(found.values, values)
  np.testing.assert_array_equal(found.labels, [2, 0])
  assert (found.space, found.names) == (space, latents.names)
  assert found.first(1).names == ('a',)


def test_directions_come_back_and_are_of_their_space_alone(tmp_path):
  directions = Directions('z', ('a', 'b'), np.eye(2, 8, dtype=np.float32), np.array([0.5, np.nan]))
  with open(tmp_path / 'd.npz', 'wb') as file:
    stored.write_directions(file, directions)
  found = stored.read_directions(str(tmp_path / 'd.npz'), '--directions', 'z', 8)
  np.testing.assert_array_equal(found.vectors, directions.vectors)
  assert found.names == directions.names
  with pytest.raises(UserError, match=r'directions in z of shape \(2, 8\); accepted .*: w, \(n, 8'):
    stored.read_directions(str(tmp_path / 'd.npz'), '--directions', 'w', 8)


@pytest.mark.parametrize(
  ('arrays', 'message'),
  [
    ({'x': np.zeros(3)}, 'holds neither z nor w, but x'),
    ({'z': np.zeros((2, 7))}, r'z is float64 of shape \(2, 7\); accepted: floats \(N, 8\)'),
    ({'z': np.full((2, 8), np.nan)}, 'no numbers'),
    ({'z': np.zeros((2, 8)), 'labels': np.zeros(3, int)}, r'labels are int64 of shape \(3,\)'),
    ({'z': np.zeros((2, 8)), 'labels': np.array([0, 3])}, 'labels 0 to 3; accepted: 0 to 2'),
    ({'z': np.zeros((0, 8))}, r'shape \(0, 8\)'),
    ({'z': np.array([{}], object)}, 'cannot be read'),
  ],
)
def test_files_that_hold_no_fitting_latents_are_refused(tmp_path, arrays, message):
  np.savez(tmp_path / 'l.npz', **arrays)
  with pytest.raises(UserError, match=message) as error:
    read(tmp_path / 'l.npz')
  assert '\n' not in str(error.value)


def test_files_that_are_none_and_w_of_a_model_without_it_are_refused(tmp_path):
  (tmp_path / 'l.npz').write_bytes(b'PK\x03\x04 no')
  with pytest.raises(UserError, match=r'--latents=.*cannot be read; accepted: an .npz'):
    read(tmp_path / 'l.npz')
  with pytest.raises(UserError, match='No such file'):
    read(tmp_path / 'none.npz')
  np.savez(tmp_path / 'w.npz', w=np.zeros((1, 5, 4)))
  with pytest.raises(UserError, match='holds w, and the model has none'):
    read(tmp_path / 'w.npz', w=None)


def test_what_unpacks_to_too_much_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
  monkeypatch.setattr(stored, '_MOST_BYTES', 1000)
  with zipfile.ZipFile(tmp_path / 'l.npz', 'w', zipfile.ZIP_DEFLATED) as archive:
    archive.writestr('z.npy', bytes(10_000))
  with pytest.raises(UserError, match='10,000 bytes of arrays; accepted: at most 1,000'):
    read(tmp_path / 'l.npz')
