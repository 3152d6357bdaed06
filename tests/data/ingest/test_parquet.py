"""Parquet files of Hugging Face's form are read to what pandas reads of them."""

import io
import json
import pathlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from gan_jax.data.ingest import files, sources
from gan_jax.data.ingest.picture import RefusedError
from gan_jax.errors import UserError
from tests.data.ingest.encoding import noise, png

NAMES = ['cat', 'dog', 'eel']


def opened(path):
  return sources.open_source(str(path), '', None)


def schema(**features):
  """What the library of Hugging Face notes of the columns."""
  return {b'huggingface': json.dumps({'info': {'features': features}}).encode()}


def table(count, features=None, image='image', as_struct=True, **columns):
  data = [png(noise(i)) for i in range(count)]
  cells = [{'bytes': one, 'path': f'{i}.png'} for i, one in enumerate(data)] if as_struct else data
  found = pa.table({image: cells, **columns})
  return found.replace_schema_metadata(schema(**features)) if features else found


LABELS = {'image': {'_type': 'Image'}, 'label': {'names': NAMES, '_type': 'ClassLabel'}}


@pytest.mark.parametrize('rows_in_a_group', [3, 7, 1000])
@pytest.mark.parametrize('compression', ['snappy', 'zstd', 'none'])
def test_images_and_values_are_those_that_pandas_reads(tmp_path, rows_in_a_group, compression):
  path = tmp_path / 'images.bin'  # told by what it holds
  numbers, texts = [i / 4 for i in range(40)], [f'a picture of {i % 3}' for i in range(40)]
  written = table(40, LABELS, label=[i % 3 for i in range(40)], age=numbers, text=texts)
  pq.write_table(written, path, row_group_size=rows_in_a_group, compression=compression)
  expected, found = pd.read_parquet(path), opened(path).files
  assert len(found) == len(expected)
  for place in np.random.default_rng(0).permutation(40).tolist():
    row, file = expected.iloc[place], found[place]
    assert file.read() == row.image['bytes']
    assert file.label == NAMES[row.label] == file.row['label']
    assert float(file.row['age']) == row.age
    assert file.row['text'] == row.text


WAYS = [
  {'image': 'img', 'label': ['a', 'b']},
  {'image': 'picture', 'as_struct': False, 'label': ['a', 'b']},
  {'image': 'scan', 'class': ['a', 'b']},
  {'image': 'image', 'as_struct': False, 'target': ['a', 'b'], 'other': [b'1', b'2']},
  {'image': 'jpg', 'features': {'jpg': {'_type': 'Image'}}, 'as_struct': False, 'cls': ['a', 'b']},
]


@pytest.mark.parametrize('order', [1, -1])
@pytest.mark.parametrize('way', WAYS)
def test_the_column_of_images_is_found_however_it_is_called_and_wherever_it_is(
  tmp_path, way, order
):
  written = table(2, **way)
  pq.write_table(written.select(written.column_names[::order]), tmp_path / 'a.parquet')
  found = opened(tmp_path / 'a.parquet')
  assert [file.read() for file in found.files] == [png(noise(i)) for i in range(2)]
  assert [file.label for file in found.files] == ['a', 'b']


def test_lists_and_other_images_are_left_aside_by_name(tmp_path):
  masks = [{'bytes': b'', 'path': ''}] * 2
  pq.write_table(table(2, objects=[[1, 2], [3]], mask=masks), tmp_path / 'a.parquet')
  assert list(opened(tmp_path / 'a.parquet').beside) == ['objects', 'mask']


def test_shards_of_splits_lie_in_folders_of_their_names(tmp_path):
  for shard in ('train-00000-of-00002', 'train-00001-of-00002', 'test-00000-of-00001'):
    (tmp_path / 'data').mkdir(exist_ok=True)
    pq.write_table(table(2, label=[0, 1]), tmp_path / 'data' / f'{shard}.parquet')
  names = [file.name for file in opened(tmp_path).files]
  assert len(names) == len(set(names)) == 6
  assert {pathlib.PurePosixPath(name).parent.name.split('-')[0] for name in names} == {
    'train',
    'test',
  }


def test_rows_without_an_image_are_refused_with_what_they_have(tmp_path):
  cells = [{'bytes': png(noise(0)), 'path': None}, {'bytes': None, 'path': 'far/1.png'},
           {'bytes': None, 'path': None}, None]  # fmt: skip
  kind = pa.struct([('bytes', pa.binary()), ('path', pa.string())])
  pq.write_table(pa.table({'image': pa.array(cells, kind)}), tmp_path / 'a.parquet')
  found = opened(tmp_path / 'a.parquet').files
  assert found[0].read() == png(noise(0))
  for file, reason in zip(
    found[1:], ['only its path far/1.png', 'no image', 'no image'], strict=True
  ):
    with pytest.raises(RefusedError, match=reason):
      file.read()


BAD = {
  'no images': (
    pa.table({'pixel0': [1, 2], 'label': [0, 1]}),
    'no column of images; found: pixel0',
  ),
  'pixels': (pa.table({'image': [[1, 2], [3, 4]]}), 'no column of images; found: image; accepted'),
  'texts': (pa.table({'image': ['1.png', '2.png']}), 'no column of images; found: image'),
}


@pytest.mark.parametrize('why', BAD)
def test_what_holds_no_encoded_images_is_refused(tmp_path, why):
  pq.write_table(BAD[why][0], tmp_path / 'a.parquet')
  with pytest.raises(UserError, match=BAD[why][1]):
    opened(tmp_path / 'a.parquet')


def test_columns_that_grow_out_of_little_are_refused_before_they_are_read(tmp_path, monkeypatch):
  monkeypatch.setattr(files, 'MAX_FILE_BYTES', 2**20)
  column = pa.array([bytes(2**20)] * 8, pa.binary())
  pq.write_table(pa.table({'image': column}), tmp_path / 'a.parquet', use_dictionary=False,
                 compression='zstd')  # fmt: skip
  with pytest.raises(UserError, match=r'column image grows from [\d,]+ bytes to 8,'):
    opened(tmp_path / 'a.parquet')


@pytest.mark.parametrize('part', [0.02, 0.5, 0.9])
def test_a_damaged_file_is_refused_or_names_its_rows(tmp_path, part):
  path = tmp_path / 'a.parquet'
  pq.write_table(table(60, label=[0] * 60), path, row_group_size=20, compression='zstd')
  images = [file.read() for file in opened(path).files]
  data = bytearray(path.read_bytes())
  place = int(part * len(data))
  data[place : place + 40] = bytes(40)
  path.write_bytes(data)
  try:
    found = opened(path).files
  except UserError as error:
    assert 'cannot be read: ' in str(error)  # noqa: PT017 - one of two right answers
    return
  for file, image in zip(found, images, strict=True):
    try:
      data = file.read()
    except (RefusedError, OSError):
      continue
    if data != image:  # PNG's own checksums tell
      with pytest.raises((OSError, SyntaxError)):
        np.asarray(Image.open(io.BytesIO(data)))


def test_a_file_that_was_cut_is_refused(tmp_path):
  path = tmp_path / 'a.parquet'
  pq.write_table(table(5), path)
  path.write_bytes(path.read_bytes()[:-20])
  with pytest.raises(UserError, match='cannot be read: '):
    opened(path)
