import io
import zipfile

import numpy as np
import pytest

from gan_jax.data.ingest import arrays
from gan_jax.errors import UserError
from gan_jax.sampling import latent_file


def test_w_comes_before_z_where_the_model_has_it(styled, plain, tmp_path):
  path, rng = str(tmp_path / 'a.npz'), np.random.default_rng(0)
  z, w = rng.standard_normal((2, 8)), rng.standard_normal((2, 6, 16))
  np.savez(path, z=z, w=w, labels=[2, 0], images=np.zeros(3))
  found = latent_file.read_latents(path, styled)
  np.testing.assert_array_equal(found.w, w.astype(np.float32))
  assert found.z is None
  found = latent_file.read_latents(path, plain)
  np.testing.assert_array_equal(found.z, z.astype(np.float32))
  np.testing.assert_array_equal(found.labels, [2, 0])
  np.savez_compressed(path, w=w[0])  # one image's
  assert latent_file.read_latents(path, styled).w.shape == (1, 6, 16)


def test_a_model_that_has_w_takes_z_where_there_is_no_w(styled, tmp_path):
  path, z = str(tmp_path / 'a.npz'), np.random.default_rng(0).standard_normal((2, 8))
  np.savez(path, z=z, labels=[2, 0])
  found = latent_file.read_latents(path, styled)
  np.testing.assert_array_equal(found.z, z.astype(np.float32))
  np.testing.assert_array_equal(found.labels, [2, 0])
  assert found.w is None


@pytest.mark.parametrize(
  ('held', 'said'),
  [
    ({'x': np.zeros(3)}, 'holds x; accepted: an array z'),
    ({'z': np.zeros((2, 7))}, r'z, float64 of shape \(2, 7\); accepted: numbers \(N, 8\)'),
    ({'z': np.zeros((0, 8))}, r'accepted: numbers \(N, 8\)'),
    ({'z': np.full((2, 8), 'a')}, 'accepted: numbers'),
    ({'z': np.full((2, 8), np.nan)}, 'accepted: finite ones'),
    ({'z': np.zeros((2, 8)), 'labels': [0, 3]}, 'accepted: .2,., from 0 to 2'),
    ({'z': np.zeros((2, 8)), 'labels': [0.0, 1.0]}, 'labels of shape'),
    ({'z': np.zeros((2, 8)), 'labels': [0]}, 'labels of shape'),
    ({'z': np.array([{}], object)}, 'no .npz that can be read'),
  ],
)
def test_arrays_that_do_not_fit_are_refused(plain, tmp_path, held, said):
  np.savez(tmp_path / 'a.npz', **held)
  with pytest.raises(UserError, match=said) as error:
    latent_file.read_latents(str(tmp_path / 'a.npz'), plain)
  assert '\n' not in str(error.value)


def test_a_bomb_and_what_is_no_file_are_refused(plain, tmp_path, monkeypatch):
  monkeypatch.setattr(arrays, 'MAX_NPZ_BYTES', 1000)
  with zipfile.ZipFile(tmp_path / 'bomb.npz', 'w', zipfile.ZIP_DEFLATED) as archive:
    file = io.BytesIO()
    np.save(file, np.zeros((10_000, 8)))
    archive.writestr('z.npy', file.getvalue())
  (tmp_path / 'text.npz').write_text('text')
  said = {
    'bomb': '640,128 bytes of arrays; accepted: at most 1,000',
    'text': 'no .npz that can be read',
    'none': 'cannot be read: No such file',
  }
  for name, words in said.items():
    with pytest.raises(UserError, match=words):
      latent_file.read_latents(str(tmp_path / f'{name}.npz'), plain)
