"""Archives are read to what the standard library unpacks, within bounds."""

import io
import os
import tarfile
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gan_jax.data.ingest import archives, files, labels, sources
from gan_jax.data.ingest.picture import RefusedError
from gan_jax.errors import UserError
from tests.data.ingest.encoding import fill, noise, npy, png


def opened(path):
  return sources.open_source(str(path), '', None)


def zip_of(path, members, **options):
  with zipfile.ZipFile(path, 'w', **options) as archive:
    for name, data in members.items():
      info = zipfile.ZipInfo('x')
      info.filename, info.compress_type = name, archive.compression
      archive.writestr(info, data)
  return path


def tar_of(path, members):
  with tarfile.open(path, 'w:gz' if path.suffix == '.tgz' else 'w') as archive:
    for name, data in members.items():
      info = tarfile.TarInfo(name)
      info.size = len(data)
      archive.addfile(info, io.BytesIO(data))
  return path


BACKSLASHES = [
  {'cat\\1.png': 'cat/1.png', 'dog\\old\\2.png': 'dog/old/2.png'},
  {'all/cat\\1.png': 'all/cat/1.png', '.\\2.png': '2.png'},
  {'train\\a\\1.png': 'train/a/1.png', 'test\\a\\2.png': 'test/a/2.png'},
]


@pytest.mark.parametrize('names', BACKSLASHES)
def test_backslashes_in_a_zip_are_folders(tmp_path, names):
  members = {name: png(noise(i)) for i, name in enumerate(names)}
  found = opened(zip_of(tmp_path / 'a.zip', members | {'empty\\': b''}))
  assert {f.name: f.read() for f in found.files} == {
    names[name]: data for name, data in members.items()
  }
  assert found.refused == []
  assert all(labels.by_folder([f.name for f in found.files])) == ('2.png' not in names.values())


def test_a_label_file_and_hidden_folders_behind_backslashes_are_told_apart(tmp_path):
  members = {'a\\1.png': png(noise(0)), 'a\\l.csv': b'x', '__MACOSX\\a\\1.png': b'', 'a\\.h': b''}
  found = opened(zip_of(tmp_path / 'a.zip', members))
  assert [file.name for file in found.files] == ['a/1.png']
  assert list(found.beside) == ['a/l.csv', 'a/.h']


@pytest.mark.parametrize('make', [zip_of, tar_of])
def test_a_second_archive_or_table_inside_is_refused_with_what_to_do(tmp_path, make):
  inner = zip_of(tmp_path / 'inner.zip', {'1.png': png(noise(0))}).read_bytes()
  members = {'1.png': png(noise(1)), 'inner.zip': inner, 'rar': b'Rar!\x1a\x07\0', 'p': b'PAR1'}
  found = opened(make(tmp_path / 'a', members))
  assert [file.name for file in found.files] == ['1.png']
  reasons = dict(found.refused)
  assert set(reasons) == {'inner.zip', 'rar', 'p'}
  assert 'unpack the outer one' in reasons['inner.zip']
  assert reasons['rar'] == 'a RAR archive; unpack it, and name the folder'


@pytest.mark.parametrize('name', ['a.zip', 'a.tar', 'a.tgz'])
def test_arrays_inside_are_images_in_any_order_of_asking(tmp_path, name):
  arrays = {'a/1.npy': noise(0), 'a/2.npy': noise(1, 6, 5, 3), 'b/3.npy': noise(2, 9, 6, 5)}
  make = zip_of if name == 'a.zip' else tar_of
  found = opened(make(tmp_path / name, {k: npy(v) for k, v in arrays.items()}))
  expected = [arrays['a/1.npy'][..., None], arrays['a/2.npy'], *arrays['b/3.npy'][..., None]]
  assert len(found.files) == len(expected)
  for place in np.random.default_rng(0).permutation(len(expected)).tolist():
    np.testing.assert_array_equal(found.files[place].read(), expected[place])
  assert [file.part_of for file in found.files] == ['', ''] + ['b/3.npy'] * 9


@pytest.mark.parametrize('make', [zip_of, tar_of])
def test_a_file_is_expanded_piece_by_piece_and_no_further_than_it_says(tmp_path, make, monkeypatch):
  data = bytes(5 * 2**20)
  name = 'a.tgz' if make is tar_of else 'a.zip'
  options = {} if make is tar_of else {'compression': zipfile.ZIP_DEFLATED}
  path = make(tmp_path / name, {'x': data}, **options)
  pieces = []
  for kind in (zipfile.ZipExtFile, tarfile.ExFileObject):
    read = kind.read
    monkeypatch.setattr(
      kind, 'read', lambda self, n=-1, read=read: pieces.append(n) or read(self, n)
    )
  (file,) = opened(path).files
  assert file.size == len(data)
  assert file.read() == data
  assert 0 < max(pieces) <= 2**20
  assert min(pieces) > 0


def test_what_holds_more_than_it_says_is_refused():
  with pytest.raises(RefusedError, match='more than the 3 bytes'):
    files.whole(io.BytesIO(b'12345'), 3)
  assert files.whole(io.BytesIO(b'12345'), 5) == b'12345'


def test_a_member_that_claims_more_than_the_bound_is_not_opened(tmp_path):
  path = zip_of(tmp_path / 'a.zip', {'bomb': b'1', '1.png': png(noise(0))})
  data = path.read_bytes()
  place = data.index(b'PK\1\2') + 24  # the size in the directory of the archive
  path.write_bytes(data[:place] + (2**31).to_bytes(4, 'little') + data[place + 4 :])
  found = opened(path)
  assert [file.name for file in found.files] == ['1.png']
  assert found.refused == [('bomb', '2,147,483,648 bytes; at most 1,073,741,824')]


@pytest.mark.parametrize('make', [zip_of, tar_of])
def test_a_member_as_large_as_the_bound_is_taken_and_one_of_a_byte_more_is_not(
  tmp_path, monkeypatch, make
):
  monkeypatch.setattr(files, 'MAX_FILE_BYTES', 1000)
  found = opened(make(tmp_path / 'a', {'at': bytes(1000), 'beyond': bytes(1001)}))
  assert [file.name for file in found.files] == ['at']
  ((name, reason),) = found.refused
  assert name == 'beyond'
  assert reason.startswith('1,001 bytes; at most ')


def test_many_archives_are_read_with_few_of_them_open(tmp_path):
  folder = tmp_path / 'shards'
  folder.mkdir()
  expected = {}
  for i in range(60):
    make, ending = ((zip_of, 'zip'), (tar_of, 'tar'), (tar_of, 'tgz'))[i % 3]
    members = {f'{k}.png': png(noise(10 * i + k)) for k in range(2)}
    make(folder / f's{i:02d}.{ending}', members)
    expected |= {f's{i:02d}/{name}': data for name, data in members.items()}
  found = opened(folder)
  order = np.random.default_rng(0).permutation(len(found.files)).tolist()
  assert {found.files[i].name: found.files[i].read() for i in order} == expected
  assert len(files.opened._used) <= files._OPEN


@pytest.mark.parametrize('kind', [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_tar_whose_header_would_fill_the_memory_is_refused(tmp_path, kind):
  for first, reason in (
    ('1.png', 'cannot be read: a header of 2,0'),
    (None, 'broken or truncated'),
  ):
    with tarfile.open(tmp_path / 'a.tgz', 'w:gz', format=kind) as archive:
      if first:
        archive.addfile(tarfile.TarInfo(first))
      archive.addfile(tarfile.TarInfo('n' * 2**21))
    with pytest.raises(UserError, match=reason):
      opened(tmp_path / 'a.tgz')


def npz_of_many(path):
  np.savez(path, images=np.zeros((11, 1, 2), np.uint8))
  path.with_suffix('.npz').rename(path)


def parquet_of_many(path):
  pq.write_table(pa.table({'image': pa.array([b''] * 11, pa.binary())}), path)


MANY = {
  'npy': lambda path: path.write_bytes(npy(np.zeros((11, 1, 2), np.uint8))),
  'npz': npz_of_many,
  'parquet': parquet_of_many,
  'tar': lambda path: tar_of(path, {str(i): b'' for i in range(11)}),
}


@pytest.mark.parametrize('kind', MANY)
def test_more_images_than_can_be_listed_are_refused(tmp_path, monkeypatch, kind):
  monkeypatch.setattr(files, 'MAX_IMAGES', 10)
  (tmp_path / 'a').mkdir()
  MANY[kind](tmp_path / 'a' / 'many')
  for where in (tmp_path / 'a' / 'many', tmp_path / 'a'):
    try:
      reason = opened(where).refused[0][1]
    except UserError as error:
      reason = str(error)
    assert reason.endswith('11 images in one file; at most 10: divide it')


def test_a_large_stack_inside_is_refused_and_a_large_image_is_not(tmp_path, monkeypatch):
  monkeypatch.setattr(archives, '_STACK_BYTES', 1000)
  members = {'one.npy': npy(noise(0, 40, 40)), 'many.npy': npy(noise(0, 40, 40, 2))}
  found = opened(zip_of(tmp_path / 'a.zip', members | {'b/few.npy': npy(noise(0, 2, 9, 9))}))
  assert [file.name for file in found.files] == ['one.npy', 'b/few.npy#0000', 'b/few.npy#0001']
  assert found.refused == [('many.npy', 'many images of 3,328 bytes; unpack the archive first')]


def test_a_stack_of_more_than_256_mib_inside_is_refused_by_what_it_claims(tmp_path):
  head = io.BytesIO()
  about = {'descr': '|u1', 'fortran_order': False, 'shape': (2**10, 2**9, 2**9)}
  np.lib.format.write_array_header_1_0(head, about)
  info = tarfile.TarInfo('many.npy')
  info.size = len(head.getvalue()) + 2**28
  path = fill(tmp_path, {'a.tar': info.tobuf() + head.getvalue()}) / 'a.tar'
  os.truncate(path, 2**28 + 2**12)  # sparse
  found = opened(path)
  assert found.refused == [
    ('many.npy', 'many images of 268,435,584 bytes; unpack the archive first')
  ]
