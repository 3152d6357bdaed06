"""Arrays among other files are read to the pixels that NumPy alone reads."""

import io
import zipfile

import numpy as np
import pytest

from gan_jax.data.ingest import arrays, sources
from gan_jax.errors import UserError
from tests.data.ingest.encoding import fill, noise, npy


def opened(path):
  return sources.open_source(str(path), '', None)


def pixels(found):
  return [file.read() for file in found.files]


@pytest.mark.parametrize('shape', [(40, 30), (2, 40, 30)])
@pytest.mark.parametrize('ending', ['.npy', '.npz', '.zip'])
def test_an_image_of_too_many_pixels_is_refused_by_what_it_claims(
  tmp_path, monkeypatch, ending, shape
):
  monkeypatch.setattr(arrays, 'MAX_PIXELS', 1000)
  large = np.zeros(shape, np.uint8)
  path = fill(tmp_path / 'a', {f'1{ending}': npy(large)}) / f'1{ending}'
  if ending == '.zip':
    with zipfile.ZipFile(path, 'w') as archive:
      archive.writestr('a/1.npy', npy(large))
  elif ending == '.npz':
    np.savez(path, image=large)
  found = opened(tmp_path / 'a')
  assert found.files == []
  assert 'an image of 30x40 pixels; at most 1,000 in all' in found.refused[0][1]


def test_a_stack_of_images_of_too_many_pixels_is_refused(tmp_path, monkeypatch):
  monkeypatch.setattr(arrays, 'MAX_PIXELS', 1000)
  np.save(tmp_path / 'a.npy', np.zeros((2, 40, 30), np.uint8))
  with pytest.raises(UserError, match='an image of 30x40 pixels; at most 1,000 in all'):
    opened(tmp_path / 'a.npy')


@pytest.mark.parametrize('version', [(1, 0), (2, 0)])
def test_headers_of_either_length_are_read(tmp_path, version):
  array, stored = noise(0), io.BytesIO()
  np.lib.format.write_array(stored, array, version=version)
  (file,) = opened(fill(tmp_path / 'a', {'1.npy': stored.getvalue()})).files
  np.testing.assert_array_equal(file.read()[..., 0], array)


SHAPES = [((6, 5), 1), ((6, 5, 1), 1), ((6, 5, 3), 1), ((6, 5, 4), 1), ((8, 6, 5), 8),
          ((8, 6, 5, 3), 8), ((3, 6, 5, 1), 3)]  # fmt: skip


@pytest.mark.parametrize(('shape', 'count'), SHAPES)
@pytest.mark.parametrize('ending', ['.npy', '', '.npz'])
def test_arrays_among_other_files_are_an_image_or_several(tmp_path, shape, count, ending):
  array = noise(0, *shape)
  path = fill(tmp_path / 'a', {f'cat/1{ending}': npy(array)}) / f'cat/1{ending}'
  if ending == '.npz':
    np.savez(path, image=array, label=np.zeros((6, 5)))  # an image and its mask
  found = opened(tmp_path / 'a')
  assert (len(found.files), found.refused) == (count, [])
  expected = array.reshape(count, 6, 5, -1)
  np.testing.assert_array_equal(np.stack(pixels(found)), expected)
  if ending != '.npz':
    whole = f'cat/1{ending}'
    assert [(f.name, f.part_of) for f in found.files] == (
      [(whole, '')] if count == 1 else [(f'{whole}#{i:04d}', whole) for i in range(count)]
    )


@pytest.mark.parametrize('array', [np.zeros(5), np.zeros((2, 3, 4, 5)), np.zeros((0, 4)),
                                   np.zeros((1, 2, 3, 4, 1)), np.array([{}])])  # fmt: skip
def test_other_arrays_among_files_are_refused_by_name(tmp_path, array):
  found = opened(fill(tmp_path / 'a', {'1.npy': npy(array), '2.npy': npy(noise(0))}))
  assert [file.name for file in found.files] == ['2.npy']
  [(name, reason)] = found.refused
  assert name == '1.npy'
  assert 'array' in reason.lower()
