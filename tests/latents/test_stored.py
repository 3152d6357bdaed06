import zipfile

import numpy as np
import pytest

from gan_jax.data.ingest import arrays
from gan_jax.errors import UserError
from gan_jax.latents import stored
from gan_jax.latents.directions import Directions
from gan_jax.latents.stored import Latents
from gan_jax.sampling.latent_file import read_latents
from tests.sampling import drawn


def read(path, space='z', size=8):
  return stored.read_directions(str(path), f'--directions={path}', space, size)


@pytest.mark.parametrize('name', ['dcgan', 'stylegan2'])
def test_latents_are_such_as_walks_read(tmp_path, name):
  model = drawn.model(name)
  z, labels = model.latents(2), np.array([2, 0], np.int32)
  space = 'w' if model.has_styles else 'z'
  values = model.styles(z, labels) if model.has_styles else z
  latents = Latents(space, values, labels, ('a', '猫.png'))
  with open(tmp_path / 'l.npz', 'wb') as file:
    stored.write_latents(file, latents)
  found = read_latents(str(tmp_path / 'l.npz'), model)
  np.testing.assert_array_equal(getattr(found, space), values)
  assert np.load(tmp_path / 'l.npz')['names'].tolist() == ['a', '猫.png']
  assert latents.first(1).names == ('a',)


def test_directions_come_back_and_are_of_their_space_alone(tmp_path):
  directions = Directions('z', ('a', 'b'), np.eye(2, 8, dtype=np.float32), np.array([0.5, np.nan]))
  with open(tmp_path / 'd.npz', 'wb') as file:
    stored.write_directions(file, directions)
  found = read(tmp_path / 'd.npz')
  np.testing.assert_array_equal(found.vectors, directions.vectors)
  assert found.names == directions.names
  with pytest.raises(UserError, match=r'directions in z of shape \(2, 8\); accepted .*: w, \(n, 8'):
    read(tmp_path / 'd.npz', 'w')


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'space': None}, r'lacks space; accepted: directions\.npz'),
    ({'vectors': np.zeros((2, 7))}, r'of shape \(2, 7\)'),
    ({'vectors': np.full((2, 8), np.nan)}, 'are no numbers'),
    ({'names': np.array(['a'])}, 'do not go together'),
    ({'shares': np.zeros(3)}, 'do not go together'),
    ({'shares': np.array(['a', 'b'])}, 'are no numbers'),
    ({'names': np.array([{}, {}], object)}, 'Object arrays'),
  ],
)
def test_files_that_hold_no_fitting_directions_are_refused(tmp_path, change, message):
  whole = {'space': np.array('z'), 'names': np.array(['a', 'b']), 'vectors': np.zeros((2, 8))}
  held = {**whole, 'shares': np.zeros(2), **change}
  np.savez(tmp_path / 'd.npz', **{k: v for k, v in held.items() if v is not None})
  with pytest.raises(UserError, match=message) as error:
    read(tmp_path / 'd.npz')
  assert '\n' not in str(error.value)


def test_what_is_none_or_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
  (tmp_path / 'd.npz').write_bytes(b'PK\x03\x04 no')
  with pytest.raises(UserError, match=r'--directions=.*no .npz that can be read'):
    read(tmp_path / 'd.npz')
  with pytest.raises(UserError, match='No such file'):
    read(tmp_path / 'none.npz')
  monkeypatch.setattr(arrays, 'MAX_NPZ_BYTES', 1000)
  with zipfile.ZipFile(tmp_path / 'd.npz', 'w', zipfile.ZIP_DEFLATED) as archive:
    for name in ('space', 'names', 'vectors', 'shares'):
      archive.writestr(f'{name}.npy', bytes(10_000))
  with pytest.raises(UserError, match='40,000 bytes of arrays; accepted: at most 1,000'):
    read(tmp_path / 'd.npz')
