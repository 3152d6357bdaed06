"""An .npz is read to the pixels and labels that NumPy alone reads, row by row."""

import os
import zipfile

import numpy as np
import pytest

from gan_jax.data.ingest import files, npz, sources
from gan_jax.errors import UserError
from tests.data.ingest.encoding import fill, noise, npy


def opened(path):
  return sources.open_source(str(path), '', None)


def pixels(found):
  return [file.read() for file in found.files]


def medmnist(path, labels, save=np.savez_compressed, **images):
  save(path, **{f'{k}_images': v for k, v in images.items()},
       **{f'{k}_labels': labels(len(v)) for k, v in images.items()})  # fmt: skip
  return path


SPLITS = {'train': noise(0, 7, 6, 5), 'val': noise(1, 3, 6, 5), 'test': noise(2, 4, 6, 5)}


@pytest.mark.parametrize('save', [np.savez, np.savez_compressed])
@pytest.mark.parametrize('channels', [(), (3,)])
def test_medmnist_is_read_with_its_splits_and_classes(tmp_path, save, channels):
  images = {k: noise(i, *v.shape, *channels) for i, (k, v) in enumerate(SPLITS.items())}
  path = medmnist(tmp_path / 'm.npz', lambda n: np.arange(n)[:, None] % 3, save, **images)
  found = opened(path)
  assert {file.name.split('/')[0] for file in found.files} == {'train', 'validation', 'test'}
  assert [file.label for file in found.files] == [
    str(i % 3) for split in SPLITS.values() for i in range(len(split))
  ]
  expected = np.concatenate(
    [image.reshape(-1, 6, 5, *(channels or (1,))) for image in images.values()]
  )
  np.testing.assert_array_equal(np.stack(pixels(found)), expected)


def test_several_labels_of_an_image_are_columns(tmp_path):
  labels = np.random.default_rng(0).integers(0, 2, (7, 4))
  path = medmnist(tmp_path / 'chest.npz', lambda n: labels[:n], **SPLITS)
  rows = [dict(file.row) for file in opened(path).files[:7]]
  assert rows == [{f'label_{k}': str(v) for k, v in enumerate(row)} for row in labels]
  assert {file.label for file in opened(path).files} == {''}


NAMES = [('x_train', 'y_train'), ('X_test', 'y_test'), ('images', 'labels'), ('img', 'target'),
         ('val_x', 'val_y'), ('arr_0', 'label'), ('trainImages', 'trainLabels')]  # fmt: skip


@pytest.mark.parametrize('names', NAMES)
def test_arrays_are_known_by_the_usual_names(tmp_path, names):
  images, labels = noise(0, 5, 6, 7), np.arange(5)
  np.savez(tmp_path / 'a.bin', **dict(zip(names, (images, labels), strict=True)))
  os.rename(tmp_path / 'a.bin.npz', tmp_path / 'a.bin')  # told by what it holds
  found = opened(tmp_path / 'a.bin')
  np.testing.assert_array_equal(np.stack(pixels(found))[..., 0], images)
  assert [file.label for file in found.files] == list('01234')


@pytest.mark.parametrize(('taken', 'left'), [('images', 'x'), ('img', 'data'), ('x', 'arr_0')])
def test_of_several_arrays_that_may_be_the_images_the_one_with_the_plainer_name_is(
  tmp_path, taken, left
):
  images = noise(0, 5, 6, 7)
  np.savez(tmp_path / 'a.npz', **{left: noise(1, 5, 6, 7), 'y': np.arange(5), taken: images})
  found = opened(tmp_path / 'a.npz')
  np.testing.assert_array_equal(np.stack(pixels(found))[..., 0], images)
  assert list(found.beside) == [left]


def test_two_dimensions_alone_are_one_image(tmp_path):
  image = noise(0, 6, 5)
  np.savez(tmp_path / 'a.npz', image=image)
  (file,) = opened(tmp_path / 'a.npz').files
  np.testing.assert_array_equal(file.read(), image[..., None])


@pytest.mark.parametrize('order', ['C', 'F'])
@pytest.mark.parametrize('dtype', [np.uint8, '>u2', np.float32])
def test_rows_are_numpys_in_any_order_of_asking(tmp_path, order, dtype):
  images = np.asarray(noise(0, 200, 3, 4, 3), dtype=dtype, order=order)
  np.savez_compressed(tmp_path / 'a.npz', images=images)
  found = opened(tmp_path / 'a.npz').files
  for row in np.random.default_rng(0).permutation(200).tolist():
    np.testing.assert_array_equal(found[row].read(), images[row])


def test_a_large_array_is_never_there_as_a_whole(tmp_path, monkeypatch):
  images = np.zeros((50, 256, 256, 3), np.uint8)
  images[:, 0, 0, 0] = range(50)
  np.savez_compressed(tmp_path / 'a.npz', images=images)
  most = 0
  read = zipfile.ZipExtFile.read

  def counted(self, n=-1):
    nonlocal most
    data = read(self, n)
    most = max(most, len(data))
    return data

  monkeypatch.setattr(zipfile.ZipExtFile, 'read', counted)
  assert [image[0, 0, 0] for image in pixels(opened(tmp_path / 'a.npz'))] == list(range(50))
  assert most <= 2**20


@pytest.mark.parametrize('save', [np.savez, np.savez_compressed])
def test_damage_in_the_middle_is_found_before_any_row_is_taken(tmp_path, save):
  save(tmp_path / 'a.npz', images=noise(0, 40, 32, 32))
  data = bytearray((tmp_path / 'a.npz').read_bytes())
  data[len(data) // 2] ^= 1
  (tmp_path / 'a.npz').write_bytes(data)
  with pytest.raises(UserError, match='cannot be read: '):
    opened(tmp_path / 'a.npz')
  fill(tmp_path / 'folder', {'a.npz': bytes(data)})
  for file in opened(tmp_path / 'folder').files:
    with pytest.raises(ValueError, match='cannot be read: '):
      file.read()


def test_a_header_that_claims_more_than_the_file_has_is_refused(tmp_path):
  data = npy(noise(0, 5, 6, 7)).replace(b'(5, 6, 7)', b'(9, 6, 7)')
  with zipfile.ZipFile(tmp_path / 'a.npz', 'w') as archive:
    archive.writestr('images.npy', data)
  with pytest.raises(UserError, match=r'an array of shape \(9, 6, 7\) and uint8 does not have'):
    opened(tmp_path / 'a.npz')


def test_an_image_larger_than_the_bound_is_refused_by_what_it_claims(tmp_path, monkeypatch):
  monkeypatch.setattr(files, 'MAX_FILE_BYTES', 1000)
  np.savez(tmp_path / 'a.npz', images=np.zeros((2, 40, 40), np.uint8))
  with pytest.raises(UserError, match='an image of it takes 1,600 bytes'):
    opened(tmp_path / 'a.npz')


def test_a_role_is_of_a_name_and_no_other_word():
  assert npz.role_of('train_images') == ('train', 'images')
  assert npz.role_of('Y_val') == ('validation', 'labels')
  assert npz.role_of('x') == ('', 'images')
  for name in ('masks', 'image_ids', 'xy', 'train_masks', 'train_test_images'):
    assert npz.role_of(name) is None
