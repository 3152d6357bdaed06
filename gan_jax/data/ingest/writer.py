"""Writes images with their classes, groups, splits and attributes as a TFDS dataset."""

import hashlib
import io
import json
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from gan_jax.data import records
from gan_jax.data.ingest import chunks, fit, labels

VERSION = '1.0.0'
_SHARD = 4096  # images in a file of the dataset
_AT_ONCE = 32  # images handed over in a call, each of which writes the metadata anew
_NUMBER = re.compile(r'[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]+)?|nan', re.IGNORECASE)


class Example(NamedTuple):
  """An image with its place in the dataset; `row` is that of the label file, or empty."""

  item: chunks.Item
  label: str
  group: str
  split: str
  row: Mapping[str, str]


def write(
  folder: pathlib.Path,
  name: str,
  examples: Sequence[Example],
  reader: chunks.Reader,
  *,
  kind: str,
  about: Mapping[str, Any],
  description: str,
) -> dict[str, Any]:
  """Writes the ArrayRecord files, features, splits and metadata of a dataset.

  Args:
    folder: of this version of the dataset, made here.
    name: of the dataset.
    examples: in the order in which they are written; all of one shape, all labelled or none.
    reader: of their images.
    kind: of `fit.KINDS`; '': what holds all images.
    about: goes into the metadata: source, licence, how files were read, limits of use.
    description: of the dataset.

  Returns:
    The metadata: `about`, and `checksum`, `kind` and `image_shape`.
  """
  kind = kind or fit.common_kind({example.item.kind for example in examples})
  shape = (*examples[0].item.shape, fit.CHANNELS[kind])
  labelled = bool(examples[0].label)
  columns = _columns(examples)
  metadata = {
    **about,
    'checksum': _checksum(examples, kind),
    'kind': kind,
    'image_shape': list(shape),
  }
  folder.mkdir(parents=True)
  info = tfds.core.DatasetInfo(
    builder=tfds.core.DatasetIdentity(
      name=name,
      version=tfds.core.Version(VERSION),
      data_dir=str(folder),
      module_name=__name__,
    ),
    description=description,
    features=_features(shape, kind, examples if labelled else [], columns),
    supervised_keys=('image', 'label') if labelled else None,
    license=about['licence'],
    metadata=tfds.core.MetadataDict(metadata),
  )
  writer = tfds.core.SequentialWriter(info, _SHARD, file_format='array_record')
  splits = sorted({example.split for example in examples})
  writer.initialize_splits(splits)

  def encode(example: Example) -> dict[str, Any]:
    encoded: dict[str, Any] = {'name': example.item.name, 'group': example.group}
    encoded['image'] = io.BytesIO(reader.png(example.item, kind))
    if labelled:
      encoded['label'] = example.label
    if columns:
      encoded['attributes'] = _attributes(example.row, columns)
    return encoded

  for split in splits:
    chosen = [example for example in examples if example.split == split]
    for start in range(0, len(chosen), _AT_ONCE):
      writer.add_examples({split: [encode(e) for e in chosen[start : start + _AT_ONCE]]})
  writer.close_all()
  if labelled:
    _write_labels(info, examples)
  return metadata


def _write_labels(info: tfds.core.DatasetInfo, examples: Sequence[Example]) -> None:
  """Writes the labels of each file beside it, so that images need not be read for them."""
  for split, about in info.splits.items():
    numbers = np.array(
      [info.features['label'].str2int(e.label) for e in examples if e.split == split], np.int32
    )
    ends = np.cumsum(about.shard_lengths)
    files = sorted(about.filepaths)
    for file, part in zip(files, np.split(numbers, ends[:-1]), strict=True):
      np.save(f'{file}{records.LABELS}', part, allow_pickle=False)


def _features(
  shape: tuple[int, ...], kind: str, labelled: Sequence[Example], columns: Mapping[str, bool]
) -> tfds.features.FeaturesDict:
  dtype = np.uint16 if kind == 'grey16' else np.uint8
  features: dict[str, Any] = {
    'image': tfds.features.Image(shape=shape, dtype=dtype, encoding_format='png'),
    'name': tfds.features.Text(),
    'group': tfds.features.Text(),
  }
  if labelled:
    names = labels.class_names([example.label for example in labelled])
    features['label'] = tfds.features.ClassLabel(names=names)
  if columns:
    features['attributes'] = {
      name: tfds.features.Scalar(np.float64) if numeric else tfds.features.Text()
      for name, numeric in columns.items()
    }
  return tfds.features.FeaturesDict(features)


def _columns(examples: Sequence[Example]) -> dict[str, bool]:
  """The attribute columns, and whether each holds numbers alone (an empty value is NaN then)."""
  names = list(dict.fromkeys(column for example in examples for column in example.row))
  values = {name: {example.row.get(name, '') for example in examples} - {''} for name in names}
  return {name: bool(v) and all(map(is_number, v)) for name, v in values.items()}


def is_number(text: str) -> bool:
  """Whether a value is a quantity, which a float holds, and not an id such as 007."""
  digits = re.sub(r'\D', '', text.lower().split('e')[0])
  return bool(_NUMBER.fullmatch(text)) and len(digits) <= 15 and not re.match(r'[-+]?0\d', text)


def _attributes(row: Mapping[str, str], columns: Mapping[str, bool]) -> dict[str, float | str]:
  number = lambda text: float(text) if text else float('nan')
  return {
    name: number(row.get(name, '')) if numeric else row.get(name, '')
    for name, numeric in columns.items()
  }


def _checksum(examples: Sequence[Example], kind: str) -> str:
  """Of all pixels, labels, splits and attributes, and of nothing else."""
  digest = hashlib.sha256(kind.encode())
  for item, label, group, split, row in examples:
    about = [item.name, item.shape, item.digest, label, group, split, sorted(row.items())]
    digest.update(json.dumps(about).encode())
  return digest.hexdigest()[:32]
