import io
import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
import time
import zipfile
import zlib

import nibabel as nib
import numpy as np
import pydicom
import pytest
import tensorflow_datasets as tfds
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from gan_jax.data import by_name, records
from gan_jax.data.ingest import chunks, decode, prepare, writer
from gan_jax.data.ingest.options import Options
from gan_jax.errors import UserError
from tests.data.ingest.encoding import fill

SIZE = (6, 5)


def noise(seed, *shape):
  return np.random.default_rng(seed).integers(0, 256, shape or SIZE, np.uint8)


def png(pixels, kind='PNG', **options):
  file = io.BytesIO()
  (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(
    file, kind, **options
  )
  return file.getvalue()


def numbered(count, folder=''):
  return {f'{folder}{i:03d}.png': png(noise(i)) for i in range(count)}


@pytest.fixture
def make(tmp_path):
  """Prepares `own` in `data` from files, an archive or arrays."""

  def prepared(files, progress=lambda *_: None, open_tfds=by_name.open_builder, **options):
    where = fill(tmp_path / 'images', files) if isinstance(files, dict) else files
    asked = {'source': str(where), 'name': 'own', 'data_dir': str(tmp_path / 'data')} | options
    return prepare.prepare(Options(**asked), open_tfds, progress)

  return prepared


@pytest.fixture
def refused(make):
  def refusal(*arguments, **options):
    with pytest.raises(UserError) as found:
      make(*arguments, **options)
    assert '\n' not in str(found.value)
    return str(found.value)

  return refusal


def read(folder, decoders=None):
  """Records by name, with the split, as TFDS alone reads them."""
  builder = tfds.builder_from_directory(folder)
  records = {}
  for split in builder.info.splits:
    for record in builder.as_data_source(split, decoders=decoders):
      records[record['name'].decode()] = {**record, 'split': split}
  return records


def image_of(record):
  return np.asarray(Image.open(io.BytesIO(record['image'])))


def datasets(folder):
  """Whatever looks like a dataset to TFDS or to us."""
  return sorted(path.parent.parent.name for path in folder.glob('*/*/dataset_info.json'))


def bytes_of(folder):
  return {p.name: p.read_bytes() for p in pathlib.Path(folder).glob('*.array_record*')}


def test_a_folder_becomes_a_dataset_that_tfds_alone_reads(make, tmp_path):
  files = numbered(10, 'cat/') | {f'dog/{i}.png': png(noise(100 + i)) for i in range(10)}
  told = []
  made = make(files, lambda *counts: told.append(counts), labels='folders', licence='CC0')
  found = read(made.folder)
  assert set(found) == set(files)
  for name, record in found.items():
    expected = np.asarray(Image.open(io.BytesIO(files[name])))
    np.testing.assert_array_equal(record['image'][..., 0], expected)
    assert int(record['label']) == ['cat', 'dog'].index(name.split('/')[0])
    assert record['group'].decode() == name
  splits = [record['split'] for record in found.values()]
  assert (splits.count('train'), splits.count('test')) == (18, 2)
  info = tfds.builder_from_directory(made.folder).info
  assert info.metadata['source'] == made.report['source']
  assert (info.metadata['licence'], info.metadata['checksum']) == ('CC0', made.report['checksum'])
  assert info.description == f'Images of {tmp_path / "images"}.'
  assert told[-1] == (20, 20)
  report = json.loads((pathlib.Path(made.folder) / prepare.REPORT).read_text())
  assert report == made.report
  assert (report['files'], report['images'], report['converted'], report['refused']) == (
    20,
    20,
    0,
    0,
  )
  assert report['classes'] == {'cat': 10, 'dog': 10}
  assert not list((pathlib.Path(made.folder).parent.parent / '.preparing').iterdir())


def test_the_training_code_opens_what_was_prepared(make, tmp_path):
  made = make(numbered(10), size=(8, 8), description='Squares, drawn at random.')
  info = tfds.builder_from_directory(made.folder).info
  assert info.description == 'Squares, drawn at random.'
  dataset = by_name.open_dataset('own', 'train', str(tmp_path / 'data'), (8, 8), 64)
  assert (len(dataset), dataset.shape) == (9, (8, 8, 1))


@pytest.mark.parametrize('split', ['train', 'test', 'train[3:11]', 'test+train[5:]'])
def test_classes_of_what_was_prepared_are_known_without_reading_its_images(
  make, tmp_path, split, monkeypatch
):
  monkeypatch.setattr(writer, '_SHARD', 4)  # of several files
  make(numbered(9, 'b/') | numbered(9, 'a/') | numbered(3, 'c/'), labels='folders')
  opened = lambda: by_name.open_dataset('own', split, str(tmp_path / 'data'), (8, 8), 0)
  dataset = opened()
  rows = np.random.default_rng(0).permutation(len(dataset))
  expected = dataset.fetch(rows)['label']
  monkeypatch.setattr(records.Records, '__getitems__', lambda *_: pytest.fail('read'))
  np.testing.assert_array_equal(dataset.labels(rows), expected)
  monkeypatch.undo()
  for file in tmp_path.glob(f'data/own/*/*{records.LABELS}'):
    file.unlink()  # as of what was prepared before these were kept
  np.testing.assert_array_equal(opened().labels(rows), expected)


def text_chunk_bomb():
  body = b'zTXtC\0\0' + zlib.compress(bytes(2**25), 9)
  whole = png(noise(0))
  chunk = struct.pack('>I', len(body) - 4) + body + struct.pack('>I', zlib.crc32(body))
  return whole[:33] + chunk + whole[33:]


def size_bomb():
  whole = bytearray(png(noise(0)))
  whole[16:24] = struct.pack('>II', 50_000, 50_000)
  whole[29:33] = struct.pack('>I', zlib.crc32(whole[12:29]))
  return bytes(whole)


EXIF = Image.Exif()
EXIF[0x0112] = 6
GREY = Image.fromarray(noise(0))
BITS = Image.fromarray(noise(1) > 99)
COLOUR = noise(2, *SIZE, 3)
GOOD = {  # each with the pixels that are to be read, as RGBA
  'a.png': (png(GREY), GREY.convert('RGBA')),
  'png.jpg': (png(GREY), GREY.convert('RGBA')),
  'palette.png': (png(Image.fromarray(COLOUR).quantize(8)),
                  Image.fromarray(COLOUR).quantize(8).convert('RGBA')),
  'bits.png': (png(BITS), BITS.convert('RGBA')),
  'grey16.png': (png(noise(3).astype(np.uint16) * 257), Image.fromarray(noise(3)).convert('RGBA')),
  'cmyk.tif': (png(Image.new('CMYK', (5, 6), (0, 255, 255, 0)), 'TIFF'),
               Image.new('RGBA', (5, 6), (255, 0, 0, 255))),
  'first.gif': (png(Image.new('RGB', (5, 6), 'red'), 'GIF', save_all=True,
                    append_images=[Image.new('RGB', (5, 6), 'blue')]),
                Image.new('RGBA', (5, 6), (255, 0, 0, 255))),
  'turned.png': (png(np.rot90(noise(4)), exif=EXIF), Image.fromarray(noise(4)).convert('RGBA')),
  'comment.png': (text_chunk_bomb(), GREY.convert('RGBA')),
  'clear.png': (png(noise(5, *SIZE, 4)), Image.fromarray(noise(5, *SIZE, 4))),
  'with space/ü.png': (png(COLOUR), Image.fromarray(COLOUR).convert('RGBA')),
}  # fmt: skip
BAD = {
  'cut.jpg': (png(noise(0, 64, 64, 3), 'JPEG')[:900], 'broken or truncated: '),
  'cut.png': (png(noise(0, 64, 64))[:900], 'broken or truncated: '),
  'text.png': (b'This is text.', 'of no image format that is known here'),
  'empty.png': (b'', 'an empty file'),
  'pixels.png': (size_bomb(), 'more than 67,108,864 pixels'),
  'scan.dcm': (bytes(128) + b'DICM' + bytes(50), 'no pixel data'),
  'scan.nii': (b'nothing', 'not NIfTI'),
  'scan.nii.gz': (b'\x1f\x8bnothing', 'broken or truncated gzip'),
}  # fmt: skip


def test_each_file_is_read_right_or_listed_with_the_reason(make, tmp_path):
  files = {name: data for name, (data, _) in (GOOD | BAD).items()}
  fill(tmp_path / 'images', files | {'README.md': 'about'})
  (tmp_path / 'images/link').symlink_to(tmp_path)
  os.mkfifo(tmp_path / 'images/pipe.png')
  made = make(tmp_path / 'images', split={'train': 1.0})
  found = read(made.folder)
  assert set(found) == set(GOOD)
  for name, (_, expected) in GOOD.items():
    np.testing.assert_array_equal(found[name]['image'], np.asarray(expected), name)
  reasons = dict(made.report['refusals'])
  assert set(reasons) == {*BAD, 'link', 'pipe.png'}
  for name, (_, reason) in BAD.items():
    assert reason in reasons[name], name
    assert '\n' not in reasons[name]
  report = made.report
  assert (report['files'], report['images'], report['refused']) == (21, 11, 10)
  assert report['other_files'] == ['README.md']
  assert report['converted'] == 10  # all but the one that is RGBA already
  assert report['converted_images']['palette.png'] == ['palette', 'rgb to rgba']
  assert report['converted_images']['turned.png'] == ['turned by EXIF', 'grey to rgba']


def test_strict_refuses_the_whole_and_makes_nothing(refused, tmp_path):
  found = refused(numbered(4) | {'x.png': b'text', 'y.png': b''}, strict=True)
  assert '2 refused and --strict is given; nothing made: x.png: of no image format' in found
  assert 'y.png: an empty file' in found
  assert not datasets(tmp_path / 'data')
  assert not (tmp_path / 'data/own').exists()


@pytest.mark.parametrize('name', ['', 'Own', '1st', 'a-b', 'a b', '../own', 'ü', 'digits', 'mnist'])
def test_names_that_no_dataset_can_have_are_refused(refused, tmp_path, name):
  assert refused(numbered(2), name=name).startswith(f'--name={name}: ')
  assert not (tmp_path / 'data').exists()


def failing(*_):
  raise ZeroDivisionError('in the middle')


FAILURES = {
  'strict': {'files': {'x.png': b''}, 'strict': True},
  'no image': {'files': {'000.png': b'', '001.png': b''}},
  'no file': {'files': {}, 'only': True},
  'no label file': {'labels': 'none.csv'},
  'no label column': {'files': {'l.csv': 'file,age\n000.png,1'}, 'labels': 'l.csv', 'label': 'x'},
  'a label without a file': {'label': 'age'},
  'no row': {'files': {'l.csv': 'file,label\n9.png,1'}, 'labels': 'l.csv'},
  'two sizes': {'files': {'x.png': png(noise(0, 7, 7))}},
  'too many splits': {'split': {'train': 0.5, 'a': 0.2, 'b': 0.3}},
  'an error': {'progress': failing},
  'no group': {'group': '('},
  'no source': {'source': '/none'},
  'there already': {'overwrite': False},
}  # fmt: skip


@pytest.mark.parametrize('why', FAILURES)
def test_whatever_fails_the_dataset_before_stays_and_no_other_is_seen(
  make, refused, tmp_path, monkeypatch, why
):
  before = make({f'x{i}.png': png(noise(i)) for i in range(3)})
  kept = bytes_of(before.folder)
  options = dict(FAILURES[why])
  base = {} if options.pop('only', False) else numbered(2)
  where = fill(tmp_path / 'other', base | options.pop('files', {}))
  where.mkdir(exist_ok=True)
  if why == 'an error':
    with pytest.raises(ZeroDivisionError):
      make(where, overwrite=True, **options)
  else:
    assert refused(where, **({'overwrite': True} | options))
  assert datasets(tmp_path / 'data') == ['own']
  assert bytes_of(before.folder) == kept
  assert len(read(before.folder)) == 3


def test_several_sizes_are_named_and_the_mend_with_them(refused):
  files = numbered(3) | {'x.png': png(noise(0, 7, 9))}
  assert 'images of 2 sizes: 5x6 (3), 9x7 (1); give --resolution=N' in refused(files)


def test_overwriting_replaces_the_whole(make, tmp_path):
  first = make(numbered(5))
  second = make({'new.png': png(noise(9)), '001.png': png(noise(8))}, overwrite=True)
  assert first.folder == second.folder
  found = read(second.folder)
  assert set(found) == {*numbered(5), 'new.png'}
  np.testing.assert_array_equal(found['001.png']['image'][..., 0], noise(8))
  assert first.report['checksum'] != second.report['checksum']


def test_a_stop_between_taking_the_old_away_and_putting_the_new_there_loses_nothing(
  make, refused, tmp_path, monkeypatch
):
  first = make(numbered(5))
  rename = os.rename

  def stopped(old, new):
    if pathlib.Path(new) == tmp_path / 'data/own':
      raise KeyboardInterrupt
    rename(old, new)

  monkeypatch.setattr(os, 'rename', stopped)
  with pytest.raises(KeyboardInterrupt):
    make(numbered(6), overwrite=True)
  monkeypatch.undo()
  assert not (tmp_path / 'data/own').exists()
  assert 'is there already' in refused(numbered(6))
  assert len(read(first.folder)) == 5


def test_a_second_preparation_at_the_same_time_is_refused(make, tmp_path):
  refusals = []

  def second(done, total):
    with pytest.raises(UserError) as found:
      make(tmp_path / 'images')
    refusals.append(str(found.value))

  made = make(numbered(4), second)
  assert set(refusals) == {'--name=own: another preparation of it is going on'}
  assert len(read(made.folder)) == 4


def test_a_data_dir_that_cannot_be_written_is_refused(refused, tmp_path):
  (tmp_path / 'data').write_text('a file')
  assert refused(numbered(2)).startswith(f'--data_dir={tmp_path}/data: cannot be written: ')


def test_a_disk_that_is_full_is_told_of_in_one_line(refused, tmp_path, monkeypatch):
  def full(number):
    raise OSError(28, 'No space left on device')

  monkeypatch.setattr(os, 'fsync', full)
  assert refused(numbered(2)).endswith('[Errno 28] No space left on device')
  assert not datasets(tmp_path / 'data')


STOPPED = """
import os, pathlib, sys, time
from gan_jax.data.ingest import chunks, decode, prepare
from gan_jax.data.ingest.options import Options
chunks.FILES = 4
marker = pathlib.Path(sys.argv[3])

def hang(*_):
  marker.touch()
  time.sleep(1000)

count = 0
def writing(self, item, kind, png=chunks.Reader.png):
  global count
  count += 1
  return hang() if count > 9 else png(self, item, kind)

if sys.argv[4] == 'writing':
  chunks.Reader.png = writing
progress = lambda done, total: hang() if sys.argv[4] == 'chunks' and done == 12 else None
prepare.prepare(Options(sys.argv[1], 'own', sys.argv[2], labels='folders'), None, progress)
"""


def killed(images, data_dir, marker, when):
  """Prepares in another process, and kills it once it is in the middle."""
  command = [sys.executable, '-c', STOPPED, str(images), str(data_dir), str(marker), when]
  process = subprocess.Popen(command, env={**os.environ, 'PYTHONPATH': os.getcwd()})
  while not marker.exists():
    assert process.poll() is None
    time.sleep(0.02)
  os.kill(process.pid, signal.SIGKILL)
  process.wait()


@pytest.mark.parametrize('when', ['chunks', 'writing'])
def test_a_preparation_that_was_killed_goes_on_and_ends_in_the_same_bytes(
  make, tmp_path, monkeypatch, when
):
  monkeypatch.setattr(chunks, 'FILES', 4)
  images = fill(tmp_path / 'images', numbered(10, 'a/') | numbered(11, 'b/'))
  undisturbed = make(images, data_dir=str(tmp_path / 'calm'), labels='folders')
  killed(images, tmp_path / 'data', tmp_path / 'marker', when)
  assert not datasets(tmp_path / 'data')
  taken = {}

  def look(done, total):  # the chunks are removed at the end
    for path in (tmp_path / 'data/.preparing/own').glob('*/*.data'):
      taken.setdefault(path.name, set()).add(path.stat().st_mtime_ns)

  before = {
    path.name: path.stat().st_mtime_ns
    for path in (tmp_path / 'data/.preparing/own').glob('*/*.data')
  }
  assert len(before) == (3 if when == 'chunks' else 6)
  again = make(images, look, labels='folders')
  assert {name: {stamp} for name, stamp in before.items()}.items() <= taken.items()
  assert len(taken) == 6
  assert again.report | {'source': ''} == undisturbed.report | {'source': ''}
  assert bytes_of(again.folder) == bytes_of(undisturbed.folder)
  assert len(bytes_of(again.folder)) == 4  # of each split the images, and their labels


def interrupted(make, images, monkeypatch, **options):
  """Stops a preparation once its first chunk is there."""
  monkeypatch.setattr(chunks, 'FILES', 2)

  def stop(done, total):
    if done == 2:
      raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    make(images, stop, **options)


def test_a_file_that_changed_since_the_stop_is_read_anew(make, tmp_path, monkeypatch):
  images = fill(tmp_path / 'images', numbered(6))
  interrupted(make, images, monkeypatch)
  changed = images / '000.png'
  changed.write_bytes(png(noise(77)))
  os.utime(changed, ns=(1, 1))
  np.testing.assert_array_equal(read(make(images).folder)['000.png']['image'][..., 0], noise(77))


def test_chunks_of_another_source_are_not_taken_though_its_files_look_alike(
  make, tmp_path, monkeypatch
):
  for folder, first in (('one', 0), ('two', 50)):
    for i in range(6):
      fill(tmp_path / folder, {f'{i}.bmp': png(noise(first + i), 'BMP')})
      os.utime(tmp_path / folder / f'{i}.bmp', ns=(1, 1))
  interrupted(make, tmp_path / 'one', monkeypatch)
  found = read(make(tmp_path / 'two').folder)
  np.testing.assert_array_equal(found['0.bmp']['image'][..., 0], noise(50))


def test_other_options_do_not_take_chunks_of_another_size(make, tmp_path, monkeypatch):
  images = fill(tmp_path / 'images', numbered(6))
  interrupted(make, images, monkeypatch, size=(3, 3))
  assert {r['image'].shape for r in read(make(images, size=(4, 2)).folder).values()} == {(4, 2, 1)}


def test_the_order_of_the_source_changes_nothing_but_its_name(make, tmp_path):
  files = numbered(12)
  checksums, records = set(), set()
  for i, order in enumerate((list(files), list(files)[::-1])):
    path = tmp_path / f'{i}.zip'
    with zipfile.ZipFile(path, 'w') as archive:
      for name in order:
        archive.writestr(name, files[name])
    made = make(path, overwrite=True)
    checksums.add(made.report['checksum'])
    records.add(tuple(sorted(bytes_of(made.folder).items())))
  assert len(checksums) == len(records) == 1


def test_a_stylegan_archive_is_read_with_the_labels_inside(make, tmp_path):
  path = tmp_path / 'stylegan.zip'
  names = [f'0000{i % 2}/img{i:08d}.png' for i in range(10)]
  with zipfile.ZipFile(path, 'w') as archive:
    for i, name in enumerate(names):
      archive.writestr(name, png(noise(i, *SIZE, 3)))
    pairs = [[name, 10 - i] for i, name in enumerate(names)]
    archive.writestr('dataset.json', json.dumps({'labels': pairs}))
  made = make(path, labels='dataset.json')
  assert tfds.builder_from_directory(made.folder).info.features['label'].names == [
    str(i) for i in range(1, 11)
  ]
  found = read(made.folder)
  assert [int(found[name]['label']) for name in names] == [9 - i for i in range(10)]
  assert made.report['other_files'] == ['dataset.json']


def test_rows_and_files_that_do_not_meet_are_told_of(make):
  rows = (
    'file,label,age\n000.png,x,3\n001.png,y,\n002.png,,4\n003.png,x,5\n003.png,y,5\n9.png,x,1\n'
  )
  made = make(numbered(5) | {'labels.csv': rows}, labels='labels.csv')
  found = read(made.folder)
  assert set(found) == {'000.png', '001.png'}
  assert dict(made.report['refusals']) == {
    '002.png': 'has no label in labels.csv',
    '003.png': 'has several rows in labels.csv that differ',
    '004.png': 'has no row in labels.csv',
  }
  assert made.report['rows_without_image'] == ['9.png']
  assert found['000.png']['attributes']['age'] == 3
  assert np.isnan(found['001.png']['attributes']['age'])


def test_attributes_without_a_class_make_a_dataset_without_classes(make):
  rows = 'file,age,site\n' + ''.join(f'{name},{i},s\n' for i, name in enumerate(numbered(4)))
  made = make(numbered(4) | {'l.csv': rows}, labels='l.csv')
  assert 'label' not in tfds.builder_from_directory(made.folder).info.features
  assert {r['attributes']['age'] for r in read(made.folder).values()} == {0, 1, 2, 3}
  opened = by_name.open_dataset(
    'own', 'train', str(pathlib.Path(made.folder).parents[1]), (4, 4), 1
  )
  assert opened.attribute_names == ('age', 'site')
  known = opened.attributes([1, 0])
  names = [record['name'] for record in opened._records.__getitems__([1, 0])]
  ages = [float(name.decode().removesuffix('.png')) for name in names]
  np.testing.assert_array_equal(known['age'], ages)
  assert known['site'].tolist() == ['s', 's']
  assert len(opened.groups([0, 1])) == 2


def test_classes_that_differ_by_blanks_alone_are_one(make):
  made = make(
    numbered(3, 'a cat/') | numbered(3, 'a cat /') | numbered(3, 'a\ncat/'), labels='folders'
  )
  names = tfds.builder_from_directory(made.folder).info.features['label'].names
  assert names == ['a cat', 'a\\x0acat']


def sides_of(records):
  """The splits that each group is in."""
  found = {}
  for record in records.values():
    found.setdefault(record['group'].decode(), set()).add(record['split'])
  return found


@pytest.mark.parametrize('how', ['column', 'pattern'])
def test_no_group_is_on_both_sides(make, how):
  rng = np.random.default_rng(0)
  names = [f'p{p}_{i}.png' for p in range(12) for i in range(rng.integers(1, 6))]
  files = {name: png(noise(i)) for i, name in enumerate(names)}
  rows = 'file,patient\n' + ''.join(f'{name},{name[: name.index("_")]}\n' for name in names)
  options = {'labels': 'l.csv', 'group': 'patient'} if how == 'column' else {'group': r'^(p\d+)_'}
  made = make(files | {'l.csv': rows}, split={'train': 0.5, 'test': 0.5}, **options)
  sides = sides_of(read(made.folder))
  assert set(sides) == {f'p{p}' for p in range(12)}
  assert all(len(splits) == 1 for splits in sides.values())
  assert abs(made.report['splits']['train'] - len(names) / 2) <= 5


def dicom_of(patient, pixels, modality=''):
  dataset = Dataset()
  dataset.file_meta = FileMetaDataset()
  dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
  dataset.SOPClassUID, dataset.SOPInstanceUID = '1.2.840.10008.5.1.4.1.1.7', '1.2.3'
  dataset.Rows, dataset.Columns = pixels.shape[-2:]
  if pixels.ndim == 3:
    dataset.NumberOfFrames = len(pixels)
  dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, 'MONOCHROME2'
  dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
  dataset.PixelRepresentation = 0
  dataset.PatientID, dataset.PixelData = patient, pixels.astype('<u2').tobytes()
  dataset.Modality = modality
  file = io.BytesIO()
  pydicom.dcmwrite(file, dataset, enforce_file_format=True)
  return file.getvalue()


@pytest.mark.parametrize('how', ['folders', 'archive'])
def test_a_patient_in_two_splits_of_the_source_is_refused_with_two_of_its_files(
  make, refused, tmp_path, how
):
  files = {f'train/{p}.dcm': dicom_of(f'P{p}', noise(p)) for p in range(6)}
  files |= {f'test/{p}.dcm': dicom_of(f'P{p}', noise(20 + p)) for p in range(6, 9)}
  apart = make(files)
  assert apart.report['splits'] == {'train': 6, 'test': 3}
  files['val/x.dcm'] = dicom_of('P3', noise(30))
  where = fill(tmp_path / 'images', files)
  if how == 'archive':
    with zipfile.ZipFile(tmp_path / 'a.zip', 'w') as archive:
      for name, data in files.items():
        archive.writestr(name, data)
    where = tmp_path / 'a.zip'
  found = refused(where, name='other')
  assert 'in both' in found
  assert 'train/3.dcm' in found
  assert 'val/x.dcm' in found
  anew = make(where, name='anew', split={'train': 0.5, 'test': 0.5})
  assert all(len(splits) == 1 for splits in sides_of(read(anew.folder, SKIP)).values())


def test_groups_tell_patients_apart_the_same_way_every_time_and_say_nothing_of_their_ids(
  make, tmp_path
):
  files = {
    f'{p}_{i}.dcm': dicom_of(f'47110{p:02d}', noise(9 * p + i)) for p in range(9) for i in (0, 1)
  }
  first, second = (make(files, name=name) for name in ('first', 'second'))
  assert first.report['checksum'] == second.report['checksum']
  groups = {name: record['group'] for name, record in read(first.folder, SKIP).items()}
  assert len(set(groups.values())) == 9
  assert all(groups[f'{p}_0.dcm'] == groups[f'{p}_1.dcm'] for p in range(9))
  others = {name: dicom_of(f'8{name[0]}', noise(i)) for i, name in enumerate(files)}
  third = make(fill(tmp_path / 'others', others), name='third')
  assert {n: r['group'] for n, r in read(third.folder, SKIP).items()} == groups


def test_a_stopped_preparation_of_patients_goes_on_with_the_salt_that_it_had(
  make, tmp_path, monkeypatch
):
  files = {f'{i}.dcm': dicom_of(f'P{i % 2}', noise(i)) for i in range(8)}
  images = fill(tmp_path / 'images', files)
  interrupted(make, images, monkeypatch)
  [salt] = (tmp_path / 'data/.preparing/own').glob('*/salt')
  assert len(salt.read_bytes()) >= 16
  made = make(images)
  assert len(sides_of(read(made.folder, SKIP))) == 2
  kept = [path for path in (tmp_path / 'data').rglob('*') if path.is_file()]
  assert not any(b'salt' in str(path).encode() or path.name == 'salt' for path in kept)


def test_a_window_makes_levels_of_signed_and_float_images_and_arrays(make, refused, tmp_path):
  values = np.random.default_rng(0).integers(-1000, 2000, (4, *SIZE))
  files = {
    f'{i}.tif': png(Image.fromarray(v.astype(np.int32)), 'TIFF') for i, v in enumerate(values)
  }
  files['4.tif'] = png(Image.fromarray(values[0].astype(np.float32)), 'TIFF')
  assert '--window=CENTRE,WIDTH' in refused(files)
  made = make(files, medical=decode.Medical(window=(40, 401)))
  expected = lambda i: np.rint(np.clip((values[i] - 39.5) / 400 + 0.5, 0, 1) * 65535)
  found = read(made.folder, SKIP)
  for i in range(5):
    np.testing.assert_array_equal(image_of(found[f'{i}.tif']), expected(i % 4))
  np.save(tmp_path / 'a.npy', values.astype(np.int16))
  arrays = make(tmp_path / 'a.npy', name='arrays', medical=decode.Medical(window=(40, 401)))
  for i, record in enumerate(sorted(read(arrays.folder, SKIP).items())):
    np.testing.assert_array_equal(image_of(record[1]), expected(i))


def test_a_pair_of_header_and_voxels_is_one_volume(make, tmp_path):
  images = tmp_path / 'images'
  images.mkdir()
  for i in range(3):
    nib.save(nib.Nifti1Pair(noise(i, 5, 6, 4) + 1.0, np.eye(4)), images / f'v{i}.img')
  made = make(images, split={'train': 0.7, 'test': 0.3})
  assert made.report['files'] == 3
  assert sorted(sides_of(read(made.folder, SKIP))) == ['v0', 'v1', 'v2']
  assert made.report['medical']


SKIP = {'image': tfds.decode.SkipDecoding()}  # the tests decode themselves


def test_slices_of_a_patient_stay_together(make):
  files = {f'{p}/{i}': dicom_of(f'P{p}', noise(10 * p + i)) for p in range(6) for i in range(4)}
  made = make(files, split={'train': 0.6, 'test': 0.4})
  found = read(made.folder, SKIP)
  sides = sides_of(found)
  assert len(sides) == 6
  assert all(len(splits) == 1 for splits in sides.values())
  values = noise(0).astype(float)
  expected = np.rint((values - values.min()) / (values.max() - values.min()) * 65535)
  np.testing.assert_array_equal(image_of(found['0/0']), expected)
  assert made.report['kind'] == 'grey16'


def test_folders_named_as_splits_are_the_splits_and_no_classes(make):
  files = {
    f'{split}/{kind}/{i}.png': png(noise(100 * j + 10 * k + i))
    for j, split in enumerate(('train', 'val', 'test'))
    for k, kind in enumerate(('cat', 'dog'))
    for i in range(3)
  }
  made = make(files, labels='folders')
  assert made.report['splits'] == {'train': 6, 'validation': 6, 'test': 6}
  assert made.report['classes'] == {'cat': 9, 'dog': 9}
  for name, record in read(made.folder).items():
    assert record['split'] == {'val': 'validation'}.get(*[name.split('/')[0]] * 2)


def test_frames_of_a_file_without_a_patient_stay_together(make):
  files = {f'{p}.dcm': dicom_of('', noise(p, 5, *SIZE)) for p in range(6)}
  found = read(make(files, split={'train': 0.5, 'test': 0.5}).folder, SKIP)
  assert len(found) == 30
  assert sorted(sides_of(found)) == [f'{p}.dcm' for p in range(6)]
  assert all(len(splits) == 1 for splits in sides_of(found).values())


def test_volumes_of_nifti_stay_together_and_carry_their_rows(make):
  volumes = {f'v{i}.nii': nib.Nifti1Image(noise(i, 5, 6, 4) + 1.0, np.eye(4)) for i in range(4)}
  files = {name: volume.to_bytes() for name, volume in volumes.items()}
  rows = 'file,label\n' + ''.join(f'v{i}.nii,{i % 2}\n' for i in range(4))
  made = make(files | {'l.csv': rows}, labels='l.csv', split={'train': 0.5, 'test': 0.5})
  found = read(made.folder, SKIP)
  assert set(found) == {f'v{i}.nii#s{place:04d}' for i in range(4) for place in range(4)}
  assert all(int(r['label']) == int(name[1]) % 2 for name, r in found.items())
  assert sorted(sides_of(found)) == ['v0', 'v1', 'v2', 'v3']
  assert all(len(splits) == 1 for splits in sides_of(found).values())
  assert made.report['rows_without_image'] == []


@pytest.mark.parametrize(
  ('modalities', 'kept'), [(('MR', 'MR'), 'MR'), (('MR', 'CT'), ''), (('', ''), '')]
)
def test_a_modality_is_kept_where_it_is_that_of_all_images(make, modalities, kept):
  files = {f'{i}.dcm': dicom_of(f'P{i}', noise(i), found) for i, found in enumerate(modalities)}
  made = make(files)
  for noted in (made.report, tfds.builder_from_directory(made.folder).info.metadata):
    assert (noted['medical'], noted['modality']) == (True, kept)


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.float32])
def test_arrays_become_a_dataset_of_their_depth(make, tmp_path, dtype):
  rng = np.random.default_rng(0)
  images = rng.uniform(0, 1, (8, 6, 5))
  images = (images if dtype == np.float32 else images * np.iinfo(dtype).max).astype(dtype)
  np.savez(tmp_path / 'a.npz', x=images, y=np.arange(8) % 3)
  made = make(tmp_path / 'a.npz')
  found = read(made.folder, SKIP)
  top = 65535 if dtype == np.float32 else 1
  for i, image in enumerate(images):
    expected = np.rint(image.astype(np.float64) * top)
    np.testing.assert_array_equal(image_of(found[f'{i:08d}']), expected)
    assert int(found[f'{i:08d}']['label']) == i % 3
  assert made.report['kind'] == ('grey' if dtype == np.uint8 else 'grey16')
  assert made.report['converted'] == (8 if dtype == np.float32 else 0)


def test_images_without_a_class_among_others_are_refused(make, tmp_path):
  np.savez(tmp_path / 'a.npz', x=noise(0, 4, 5, 5), y=np.array(['a', '', 'b', 'a']))
  made = make(tmp_path / 'a.npz')
  assert made.report['refusals'] == [['00000001', 'has no class']]
  assert made.report['classes'] == {'a': 2, 'b': 1}
  assert set(read(made.folder, SKIP)) == {'00000000', '00000002', '00000003'}


def test_a_dataset_becomes_another_with_its_own_splits_or_new_ones(make, refused, tmp_path):
  rows = 'file,label,site\n' + ''.join(
    f'{n},{i % 2},s{i % 3}\n' for i, n in enumerate(numbered(12))
  )
  first = make(numbered(12) | {'l.csv': rows}, labels='l.csv', name='first')
  opened = lambda *_: tfds.builder_from_directory(first.folder)
  kept = make('tfds:first', open_tfds=opened)
  assert kept.report['splits'] == first.report['splits']
  assert kept.report['classes'] == first.report['classes']
  pixels = lambda made: {r['image'].tobytes(): int(r['label']) for r in read(made.folder).values()}
  assert pixels(kept) == pixels(first)
  groups = lambda made: sorted(record['group'] for record in read(made.folder).values())
  assert groups(kept) == groups(first)
  anew = make('tfds:first', open_tfds=opened, name='anew', split={'a': 0.5, 'b': 0.5})
  assert anew.report['splits'] == {'a': 6, 'b': 6}
  found = refused('tfds:first', open_tfds=opened, name='x', group='0000000')
  assert found.startswith("--group=0000000: '0000000' is in both t")
