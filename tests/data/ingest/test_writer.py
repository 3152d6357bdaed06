import io
import math
import tracemalloc

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from gan_jax.data import records
from gan_jax.data.ingest import chunks, writer
from gan_jax.data.ingest.picture import Picture
from gan_jax.data.ingest.sources import File
from gan_jax.data.ingest.writer import Example

PIXELS = {'grey': (1, np.uint8), 'grey16': (1, np.uint16), 'rgb': (3, np.uint8),
          'rgba': (4, np.uint8)}  # fmt: skip
ROWS = [
  {'age': '31', 'site': 'Zürich', 'code': '1e3'},
  {'age': '', 'site': '', 'code': '-.5'},
  {'age': '7.25', 'site': '12', 'code': 'NaN'},
  {},
]


def noise(seed, kind='grey', size=(5, 4)):
  channels, dtype = PIXELS[kind]
  rng = np.random.default_rng(seed)
  return rng.integers(0, np.iinfo(dtype).max, (*size, channels), dtype, endpoint=True)


def examples_of(folder, images, labels=(), rows=()):
  folder.mkdir()
  files = [File(f'ü {i}.png', bytes) for i in range(len(images))]
  pictures = {
    file.name: Picture(file.name, image) for file, image in zip(files, images, strict=True)
  }
  items, _ = chunks.make(files, folder, lambda file: iter([pictures[file.name]]), lambda *_: None)
  return [
    Example(
      item,
      labels[i] if labels else '',
      f'group {i % 2}',
      'test' if i == 1 else 'train',
      rows[i] if rows else {},
    )
    for i, item in enumerate(items)
  ]


def written(folder, examples, kind=''):
  about = {'source': 'photos.zip', 'licence': 'CC0'}
  place = folder / 'own' / '1.0.0'
  with chunks.Reader(folder / 'chunks') as reader:
    metadata = writer.write(
      place, 'own', examples, reader, kind=kind, about=about, description='Of a test.'
    )
  return metadata, tfds.builder_from_directory(place)


def read(builder):
  """Records of all splits by name, with the split; images decoded by TFDS itself."""
  found = {}
  for split in builder.info.splits:
    for record in builder.as_data_source(split):
      found[record['name'].decode()] = {**record, 'split': split}
  return found


@pytest.mark.parametrize('kind', PIXELS)
def test_tfds_reads_the_pixels_that_were_put_in(tmp_path, kind):
  images = [noise(i, kind) for i in range(4)]
  examples = examples_of(tmp_path / 'chunks', images)
  metadata, builder = written(tmp_path, examples)
  found = read(builder)
  assert list(found) == ['ü 1.png', 'ü 0.png', 'ü 2.png', 'ü 3.png']  # test, then train
  for i, image in enumerate(images):
    record = found[f'ü {i}.png']
    np.testing.assert_array_equal(record['image'], image)
    assert record['image'].dtype == image.dtype
    assert record['group'].decode() == f'group {i % 2}'
    assert set(record) == {'name', 'image', 'group', 'split'}
  assert builder.info.features['image'].shape == images[0].shape
  assert (metadata['kind'], metadata['image_shape']) == (kind, list(images[0].shape))
  assert {name: split.num_examples for name, split in builder.info.splits.items()} == {
    'test': 1,
    'train': 3,
  }


def test_images_of_several_kinds_become_one_that_holds_all(tmp_path):
  images = [noise(0, 'grey'), noise(1, 'rgb'), noise(2, 'rgba'), noise(3, 'grey16')]
  metadata, builder = written(tmp_path, examples_of(tmp_path / 'chunks', images))
  assert metadata['kind'] == 'rgba'
  found = [read(builder)[f'ü {i}.png']['image'] for i in range(4)]
  np.testing.assert_array_equal(found[0], np.dstack([images[0]] * 3 + [np.full((5, 4), 255)]))
  np.testing.assert_array_equal(found[1][..., :3], images[1])
  np.testing.assert_array_equal(found[2], images[2])
  np.testing.assert_array_equal(found[3][..., 0], np.rint(images[3][..., 0] / 257))


def test_a_kind_that_is_asked_for_is_made(tmp_path):
  images = [noise(i, 'rgb') for i in range(2)]
  metadata, builder = written(tmp_path, examples_of(tmp_path / 'chunks', images), 'grey')
  expected = np.asarray(Image.fromarray(images[0]).convert('L'))
  np.testing.assert_array_equal(read(builder)['ü 0.png']['image'][..., 0], expected)
  assert metadata['image_shape'] == [5, 4, 1]


def test_labels_and_attributes_are_read_back(tmp_path):
  images = [noise(i) for i in range(4)]
  labels = ['10', '9', '10', '-1']
  examples = examples_of(tmp_path / 'chunks', images, labels, ROWS)
  _, builder = written(tmp_path, examples)
  assert builder.info.features['label'].names == ['-1', '9', '10']
  assert builder.info.supervised_keys == ('image', 'label')
  found = read(builder)
  assert [int(found[f'ü {i}.png']['label']) for i in range(4)] == [2, 1, 2, 0]
  attributes = [found[f'ü {i}.png']['attributes'] for i in range(4)]
  assert [a['site'].decode() for a in attributes] == ['Zürich', '', '12', '']
  nan = math.nan
  np.testing.assert_array_equal([a['age'] for a in attributes], [31, nan, 7.25, nan])
  np.testing.assert_array_equal([a['code'] for a in attributes], [1000, -0.5, nan, nan])
  assert builder.info.features['attributes']['age'].np_dtype == np.float64


@pytest.mark.parametrize(
  ('text', 'found'),
  [
    *(
      (text, True) for text in ('0', '-1', '+2.50', '.5', '7.', '1e-3', '2E+5', 'nan', '0.1', '-0')
    ),
    *(
      (text, False) for text in ('007', '-01', '1,5', '1_000', '0x1f', 'inf', 'e5', '.', 'a1', '½')
    ),
  ],
)
def test_quantities_are_numbers_and_what_only_looks_like_one_is_a_text(text, found):
  assert writer.is_number(text) == found


def test_ids_of_more_digits_than_a_float_holds_are_texts():
  rng = np.random.default_rng(0)
  for digits in range(1, 31):
    text = str(rng.integers(1, 10)) + ''.join(map(str, rng.integers(0, 10, digits - 1)))
    assert writer.is_number(text) == (digits <= 15)
    if writer.is_number(text):
      assert int(float(text)) == int(text)
  assert int(float('9007199254740993')) != 9007199254740993  # of sixteen digits


def test_columns_may_have_any_name_and_hold_nothing(tmp_path):
  rows = [{'a/b': '1', 'x y (ü)': 't', 'empty': ''}] * 2
  _, builder = written(tmp_path, examples_of(tmp_path / 'chunks', [noise(0), noise(1)], (), rows))
  found = read(builder)['ü 0.png']['attributes']
  assert found == {'a/b': 1, 'x y (ü)': b't', 'empty': b''}


def test_metadata_say_where_images_are_from(tmp_path):
  metadata, builder = written(tmp_path, examples_of(tmp_path / 'chunks', [noise(0), noise(1)]))
  assert dict(builder.info.metadata) == metadata
  assert (metadata['source'], metadata['licence']) == ('photos.zip', 'CC0')
  assert len(metadata['checksum']) == 32
  assert builder.info.description == 'Of a test.'
  assert builder.info.redistribution_info.license == 'CC0'


def test_the_checksum_is_of_what_the_dataset_holds_and_of_nothing_else(tmp_path):
  examples = examples_of(
    tmp_path / 'chunks', [noise(i) for i in range(3)], ['a', 'b', 'a'], ROWS[:3]
  )
  checksum = lambda examples, kind='grey': writer._checksum(examples, kind)
  first = examples[0]
  other = lambda **changed: [first._replace(**changed), *examples[1:]]
  item = lambda **changed: other(item=first.item._replace(**changed))
  changes = [
    examples[::-1],
    examples[1:],
    other(label='c'),
    other(group='c'),
    other(split='c'),
    other(row={'age': '32'}),
    item(name='c'),
    item(digest='c'),
    item(shape=(4, 5)),
  ]
  found = {checksum(examples), checksum(examples, 'rgb'), *map(checksum, changes)}
  assert len(found) == len(changes) + 2
  for same in (item(chunk=7), item(start=7), item(notes=('palette',)), item(file='f')):
    assert checksum(same) == checksum(examples)


def test_large_datasets_are_written_in_several_files_and_little_memory(tmp_path, monkeypatch):
  monkeypatch.setattr(writer, '_SHARD', 50)
  monkeypatch.setattr(chunks, 'FILES', 32)
  images = [noise(i, 'rgba', (48, 48)) for i in range(200)]
  examples = examples_of(tmp_path / 'chunks', images, [str(i % 7) for i in range(200)])
  tracemalloc.start()
  _, builder = written(tmp_path, examples)
  _, most = tracemalloc.get_traced_memory()
  tracemalloc.stop()
  assert most < 60 * images[0].nbytes
  assert builder.info.splits['train'].num_shards > 1
  source = builder.as_data_source('train', decoders={'image': tfds.decode.SkipDecoding()})
  for i in (0, 100, 198):
    record = source[i]
    number = int(record['name'].decode().removeprefix('ü ').removesuffix('.png'))
    found = np.asarray(Image.open(io.BytesIO(record['image'])))
    np.testing.assert_array_equal(found, images[number])
  files = sorted(builder.info.splits['train'].filepaths)
  beside = np.concatenate([np.load(f'{file}{records.LABELS}') for file in files])
  np.testing.assert_array_equal(beside, [record['label'] for record in source])
