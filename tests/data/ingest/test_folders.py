"""Folders, what lies in them, and where their links lead."""

import os
import zipfile

import numpy as np
import pytest
from PIL import Image

from gan_jax.data.ingest import files, labels, sources
from tests.data.ingest.encoding import fill, noise, npy, png


def opened(path, follow_links=False):
  return sources.open_source(str(path), '', None, follow_links)


def contents(found):
  return {file.name: file.read() for file in found.files}


def zipped(members):
  def write(path):
    with zipfile.ZipFile(path, 'w') as archive:
      for name, data in members.items():
        archive.writestr(name, data)

  return write


def test_links_are_followed_on_request_and_each_folder_once(tmp_path):
  outside = fill(tmp_path / 'outside', {'c/1.png': b'one', 'd/2.png': b'two', 'labels.csv': b'l'})
  root = fill(tmp_path / 'root', {'a/0.png': b'zero'})
  (root / 'b').symlink_to(outside)
  (root / 'again').symlink_to(outside)
  (root / 'loop').symlink_to(root)
  (outside / 'd/up').symlink_to(root)
  (root / 'file.png').symlink_to(outside / 'c/1.png')
  (root / 'lost.png').symlink_to(tmp_path / 'nothing')
  found = opened(root, True)
  expected = {'a/0.png': b'zero', 'again/c/1.png': b'one', 'again/d/2.png': b'two'}
  assert contents(found) == expected | {'file.png': b'one'}
  assert found.beside['again/labels.csv']() == b'l'
  assert [name for name, _ in found.refused] == ['again/d/up', 'b', 'loop', 'lost.png']
  assert dict(found.refused)['loop'] == 'a folder that is there under another name too'
  without = opened(root)
  assert contents(without) == {'a/0.png': b'zero'}
  assert all('--follow_links' in reason for name, reason in without.refused if name != 'lost.png')


@pytest.mark.parametrize('kind', ['folder of links', 'link to a link', 'links to files alone'])
def test_sets_made_of_links_are_read_as_what_they_lead_to(tmp_path, kind):
  files_of = {f'{c}/{i}.png': png(noise(i)) for c in 'ab' for i in range(3)}
  store = fill(tmp_path / 'store', files_of)
  root = tmp_path / 'root'
  root.mkdir()
  for name in files_of if kind == 'links to files alone' else 'ab':
    (root / name).parent.mkdir(exist_ok=True)
    target = store / name
    if kind == 'link to a link':
      (tmp_path / f'between-{name}').symlink_to(target)
      target = tmp_path / f'between-{name}'
    (root / name).symlink_to(target)
  assert contents(opened(root, True)) == files_of


def test_containers_in_a_folder_are_folders_of_their_own(tmp_path):
  root = fill(tmp_path / 'root', {'plain/0.png': b'zero', 'plain/1.npy': npy(noise(1))})
  zipped({'cat/1.png': b'one', 'l.csv': b'l'})(root / 'first.zip')
  zipped({'cat/1.png': b'two', '../x.png': b''})(root / 'plain/second.bin')
  np.savez(root / 'third.npz', x_train=noise(2, 2, 6, 5), x_test=noise(3, 1, 6, 5))
  found = opened(root)
  names = {file.name for file in found.files}
  third = {'third/train/00000000', 'third/train/00000001', 'third/test/00000000'}
  assert names == {
    'plain/0.png', 'plain/1.npy', 'first/cat/1.png', 'plain/second/cat/1.png', *third,
  }  # fmt: skip
  assert contents(found)['plain/second/cat/1.png'] == b'two'
  assert found.beside['first/l.csv']() == b'l'
  assert found.refused == [('plain/second/../x.png', 'its path leads out of the archive')]


@pytest.mark.parametrize('names', [('train', 'test'), ('cats', 'dogs')])
def test_zips_called_as_splits_are_splits_and_as_classes_are_classes(tmp_path, names):
  for name in names:
    zipped({f'{kind}/{name}.png': b'' for kind in 'ab'})(tmp_path / f'{name}.zip')
  found = labels.by_folder([file.name for file in opened(tmp_path).files])
  assert found == (['a', 'b'] * 2 if 'train' in names else ['cats/a', 'cats/b', 'dogs/a', 'dogs/b'])


def hdf5():
  return b'\x89HDF\r\n\x1a\n' + bytes(600)


OTHERS = {
  'a.rar': (b'Rar!\x1a\x07\0' + bytes(99), 'a RAR archive; unpack it, and name the folder'),
  'a.7z': (b"7z\xbc\xaf'\x1c" + bytes(99), 'a 7z archive; unpack it'),
  'a.h5': (hdf5(), 'an HDF5 file; load it, and write its images with numpy.savez'),
  'a.mat': (b'MATLAB 5.0 MAT-file' + bytes(600), 'a MATLAB file; load it'),
  'train-images-idx3-ubyte': (b'\0\0\x08\3\0\0\xea\x60' + bytes(99), 'an IDX file, as of MNIST'),
  'data_batch_1': (b'\x80\2}q\1(U\x0bbatch_labelq\2', 'a pickle, which could run any program'),
  'a.db3': (b'SQLite format 3\0' + bytes(99), 'an SQLite database; write its images'),
  'a.arrow': (
    b'\xff\xff\xff\xff\x10\3\0\0\x10\0\0\0' + bytes(99),
    'an Arrow file; save it as Parq',
  ),
  'a.zst': (b'\x28\xb5\x2f\xfd' + bytes(99), 'compressed by Zstandard; unpack it first'),
  'bad.npz': (b'PK\3\4' + bytes(99), 'cannot be read: '),
  'bad.parquet': (b'PAR1' + bytes(99), 'cannot be read: '),
}


@pytest.mark.parametrize('name', OTHERS)
def test_what_has_to_be_unpacked_is_refused_with_what_to_do(tmp_path, name):
  data, reason = OTHERS[name]
  found = opened(fill(tmp_path / 'a', {name: data, '1.png': png(noise(0))}))
  assert [file.name for file in found.files] == ['1.png']
  assert [name for name, _ in found.refused] == [name]
  assert reason in found.refused[0][1]
  with pytest.raises(ValueError) as stopped:
    opened(tmp_path / 'a' / name)
  assert reason in str(stopped.value)


def polyglot():
  """A PNG with a zip behind it, as a JPEG of a phone has a film."""
  return png(noise(0)) + zip_data()


def zip_data():
  import io

  file = io.BytesIO()
  with zipfile.ZipFile(file, 'w') as archive:
    archive.writestr('x.png', b'')
  return file.getvalue()


@pytest.mark.parametrize('name', ['1.png', 'picture', 'x.zip.png', 'x.dat'])
def test_an_image_with_an_archive_behind_it_is_an_image(tmp_path, name):
  found = opened(fill(tmp_path / 'a', {name: polyglot()}))
  assert list(contents(found)) == [name]
  assert contents(opened(tmp_path / 'a' / name)) == {name: polyglot()}


@pytest.mark.parametrize('name', ['images', 'a.tar', 'a.npy', 'a.png'])
def test_a_source_is_what_it_begins_as_whatever_it_is_called(tmp_path, name):
  path = fill(tmp_path, {name: zip_data()}) / name
  assert list(contents(opened(path))) == ['x.png']
  np.save(tmp_path / 'x', noise(0, 3, 6, 5))
  os.replace(tmp_path / 'x.npy', path)
  assert len(opened(path).files) == 3
  path.write_bytes(png(noise(0)))
  assert contents(opened(path)) == {name: png(noise(0))}


def test_a_file_larger_than_the_bound_is_refused_unread(tmp_path, monkeypatch):
  monkeypatch.setattr(files, 'MAX_FILE_BYTES', 1000)
  film = fill(tmp_path / 'a', {'film.mp4': bytes(1001), '1.png': png(noise(0))})
  found = opened(film)
  assert [file.name for file in found.files] == ['1.png']
  assert found.refused[0][0] == 'film.mp4'
  assert found.refused[0][1].startswith('1,001 bytes; at most ')


def test_a_class_of_npy_files_and_one_of_pngs_are_two_classes(tmp_path):
  array = noise(0)
  root = fill(tmp_path / 'a', {'x/1.npy': npy(array), 'y/1.png': png(array)})
  found = opened(root)
  assert labels.by_folder([file.name for file in found.files]) == ['x', 'y']
  decoded = np.asarray(Image.open(root / 'y/1.png'))
  np.testing.assert_array_equal(found.files[0].read()[..., 0], decoded)
