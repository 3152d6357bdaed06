"""Small copies of what packages unpack to, and what is prepared of them."""

import io

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from gan_jax.data import by_name


def write(path, content):
  """Writes bytes, or pixels as a PNG, and makes the folders."""
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_bytes(content if isinstance(content, bytes) else encode(content))


def encode(pixels, format='PNG'):
  file = io.BytesIO()
  Image.fromarray(pixels).save(file, format=format)
  return file.getvalue()


def prepare(name, data_dir):
  """Examples of a dataset by name, of both splits, each with `split`; and the builder."""
  by_name.open_builder.cache_clear()
  builder = by_name.open_builder(name, str(data_dir))
  examples = {}
  for split in builder.info.splits:
    for record in builder.as_data_source(split, decoders={'image': tfds.decode.SkipDecoding()}):
      record = {key: _text(value) for key, value in record.items()}
      with Image.open(io.BytesIO(record['image'])) as image:
        pixels = np.asarray(image)
      record['image'] = pixels[..., None] if pixels.ndim == 2 else pixels
      assert record['name'] not in examples
      examples[record['name']] = record | {'split': split}
  return examples, builder


def _text(value):
  is_text = isinstance(value, bytes) and not value.startswith(b'\x89PNG')
  return value.decode() if is_text else value


def sides_of_groups(examples):
  """The splits that each group is in."""
  sides = {}
  for example in examples.values():
    sides.setdefault(example['group'], set()).add(example['split'])
  return sides


def assert_whole(examples, builder, shape, dtype):
  """Every group is on one side; images and labels are as the features say; both sides have some."""
  assert all(len(side) == 1 for side in sides_of_groups(examples).values())
  assert {example['split'] for example in examples.values()} == {'train', 'test'}
  told = builder.info.features['image']
  assert (told.shape, told.np_dtype) == (shape, dtype)
  for example in examples.values():
    assert (example['image'].shape, example['image'].dtype) == (shape, dtype)
    assert 0 <= example['label'] < builder.info.features['label'].num_classes


def records(builder):
  """All that was prepared, split by split and in its order, images as their bytes.

  Files are no measure: protobuf writes the fields of a record in an order of the process.
  """
  raw = {'image': tfds.decode.SkipDecoding()}
  return {split: list(builder.as_data_source(split, decoders=raw)) for split in builder.info.splits}


def noise(seed, shape):
  return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
