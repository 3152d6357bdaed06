"""A prepared TFDS dataset as random access to decoded images and checked labels."""

import hashlib
import io
import json
import os
import pathlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from gan_jax.data import limits
from gan_jax.data.ingest import fit
from gan_jax.data.records import in_parts, kept_labels, open_split, worth_threads
from gan_jax.errors import UserError

RANDOM_IMAGES = 'random_images'  # the name of a dataset that is on no disk
_HASHED_BYTES = 2**25  # of images that are read at a time for a fingerprint
_KINDS = {1: 'grey', 3: 'rgb', 4: 'rgba'}


class ImageDataset:
  """One split of a dataset, at one size.

  Attributes:
    name: of the dataset, with its split, for messages.
    shape: of an image, `(H, W, C)`.
    dtype: of its pixels, uint8 or, where the dataset has that depth, uint16.
    num_classes: number of labels; 0 where the dataset has none.
    class_names: what the labels mean, in their order.
    fingerprint: changes whenever the images or their labels could have changed.
    stamp: changes, beside it, with the files of images that the fingerprint is only a sample of.
    attribute_names: what is known of each image beside its class, such as `prepare` keeps.
    origin: full name, what its preparation noted (source, licence, checksum, image_shape, kind,
      reading), and its `limits`.
  """

  stamp = ''
  attribute_names: tuple[str, ...] = ()
  _has_groups = False
  _known: np.ndarray | None = None  # labels that were read, -1 of the others

  def __init__(self, builder: Any, split: str, size: tuple[int, int], memory_budget_mb: int):
    """Opens the split, and decodes it into memory if it fits `memory_budget_mb` MiB."""
    self.name = f'{builder.name} {split}'
    features = builder.info.features
    if 'image' not in features:
      raise UserError(
        f'config.dataset.name={builder.name!r}: has no feature `image`; '
        f'found: {", ".join(features)}'
      )
    channels = features['image'].shape[-1] or 3
    if channels not in fit.MODES:
      raise UserError(
        f'config.dataset.name={builder.name!r}: {channels} channels; accepted: 1, 3, 4'
      )
    self.shape = (*size, channels)
    self.dtype = np.dtype(features['image'].np_dtype)
    if self.dtype == np.uint16 and channels != 1:
      raise UserError(
        f'config.dataset.name={builder.name!r}: 16 bits in {channels} channels; accepted: 1 channel'
      )
    label = features['label'] if 'label' in features else None  # noqa: SIM401 - it has no `get`
    self.class_names: list[str] = list(getattr(label, 'names', []))
    self.num_classes = len(self.class_names)
    self.attribute_names = tuple(sorted(features['attributes'])) if 'attributes' in features else ()
    self._has_groups = 'group' in features
    self._records: Any = open_split(builder, split)
    self._known = self._kept_labels(builder, split)
    self._held: tuple[np.ndarray, np.ndarray] | None = None
    image_bytes = int(np.prod(self.shape)) * self.dtype.itemsize
    if len(self) * image_bytes <= memory_budget_mb * 2**20:
      self._held = self._read(range(len(self)))
    self.fingerprint = self._fingerprint(builder, split)
    if not self.in_memory:
      files = [pathlib.Path(path) for path in builder.info.splits[split].filepaths]
      about = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
      self.stamp = hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]
    metadata = dict(builder.info.metadata or {})
    self.origin = {'full_name': builder.info.full_name} | {
      key: value
      for key, value in metadata.items()
      if key in ('source', 'licence', 'checksum', 'image_shape', 'kind', 'reading')
    }
    self.origin |= limits.of_dataset(builder.info.description, metadata, self.dtype.name)

  def __len__(self) -> int:
    return len(self._records)

  @property
  def in_memory(self) -> bool:
    """Whether all images are decoded already."""
    return self._held is not None

  def fetch(self, indices: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
    """Reads examples: `image`, `[n, H, W, C]`, and `label`, int32 `[n]` (0 without classes).

    Raises:
      UserError: for an image that cannot be read or a label out of range, naming the row.
    """
    if self._held is None:
      images, labels = self._read(indices)
    else:
      rows = np.asarray(indices)
      images, labels = self._held[0][rows], self._held[1][rows]
    return {'image': images, 'label': labels}

  def labels(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
    """Reads the labels of examples alone, as `fetch` does, and decodes no image."""
    if self._held is not None:
      return self._held[1][np.asarray(indices)]
    asked = np.asarray(indices)
    if not self.num_classes:
      return np.zeros(len(asked), np.int32)
    if self._known is None:
      self._known = np.full(len(self), -1, np.int32)
    unknown = np.unique(asked[self._known[asked] < 0])
    for rows, records in in_parts(self._records, unknown.tolist()):
      pairs = zip(rows, records, strict=True)
      self._known[rows] = [self._label(row, record) for row, record in pairs]
    return self._known[asked]

  def attributes(self, indices: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
    """Reads what is known of examples beside their class, and decodes no image.

    Returns:
      By attribute its values, `[n]`: float64, NaN where there is none, or text, '' likewise.
    """
    found: dict[str, list[Any]] = {name: [] for name in self.attribute_names}
    if found:
      for _, records in in_parts(self._records, [int(i) for i in indices]):
        for record in records:
          for name, values in found.items():
            values.append(_plain(record['attributes'][name]))
    return {name: _column(values) for name, values in found.items()}

  def groups(self, indices: Sequence[int] | np.ndarray) -> np.ndarray | None:
    """Reads what examples must not be parted from, such as their patient, `[n]`; None without."""
    if not self._has_groups:
      return None
    parts = in_parts(self._records, [int(i) for i in indices])
    return np.array([_plain(record['group']) for _, records in parts for record in records], str)

  def _read(self, indices: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows = [int(i) for i in indices]
    images = np.empty((len(rows), *self.shape), self.dtype)
    labels = np.empty(len(rows), np.int32)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
      start = 0
      for part, records in in_parts(self._records, rows):
        self._decode(part, records, images[start:], labels[start:], pool)
        start += len(part)
    return images, labels

  def _decode(
    self,
    rows: Sequence[int],
    records: Sequence[Any],
    images: np.ndarray,
    labels: np.ndarray,
    pool: ThreadPoolExecutor,
  ) -> None:
    """Fills in the images and labels of some records, `[>= n, H, W, C]` and `[>= n]`."""

    def decode(place: int) -> None:
      row, record = rows[place], records[place]
      try:
        images[place] = decode_image(record['image'], self.shape, self.dtype)
      except (OSError, Image.DecompressionBombError) as error:
        unknown = isinstance(error, UnidentifiedImageError)
        why = 'of no format that Pillow knows' if unknown else f'not readable: {error}'
        raise UserError(f'dataset {self.name}: image of row {row} is {why}') from error
      labels[place] = self._label(row, record)

    in_threads = worth_threads([record['image'] for record in records])
    for _ in (pool.map if in_threads else map)(decode, range(len(rows))):
      pass

  def _kept_labels(self, builder: Any, split: str) -> np.ndarray | None:
    """Labels that need not be read with the images; those of no class are, and refused there."""
    found = kept_labels(builder, split) if self.num_classes else None
    if found is None or len(found) != len(self):
      return None
    return np.where(found < self.num_classes, found, -1)

  def _label(self, row: int, record: Any) -> int:
    if not self.num_classes:
      return 0
    label = int(record['label'])
    if not 0 <= label < self.num_classes:
      raise UserError(
        f'dataset {self.name}: label of row {row} is {label}; accepted: 0 to {self.num_classes - 1}'
      )
    return label

  def _fingerprint(self, builder: Any, split: str) -> str:
    """Hashes the whole of what is held in memory, and 256 examples spread over what is not."""
    checksum = (builder.info.metadata or {}).get('checksum')  # of all pixels, where we prepared it
    about = [builder.info.full_name, split, len(self), self.shape, self.class_names, checksum]
    digest = hashlib.sha256(json.dumps(about).encode())
    rows = (
      np.arange(len(self)) if self.in_memory else np.linspace(0, len(self) - 1, 256).astype(int)
    )
    at_once = max(1, _HASHED_BYTES // (int(np.prod(self.shape)) * self.dtype.itemsize))
    labels = [np.empty(0, np.int32)]
    for start in range(0, len(rows), at_once):
      found = self.fetch(rows[start : start + at_once])
      digest.update(np.ascontiguousarray(found['image']).data)
      labels.append(found['label'])
    digest.update(np.concatenate(labels).data)
    return digest.hexdigest()[:16]


def _column(values: Sequence[Any]) -> np.ndarray:
  """Values of an attribute as an array: of floats where all are numbers, else of text."""
  if all(isinstance(value, float) for value in values):
    return np.array(values, np.float64)
  return np.array([str(value) for value in values], str)


def _plain(value: Any) -> float | str:
  """A value as TFDS gives it, as text or, of numbers and truth values, as a float."""
  value = value.item() if hasattr(value, 'item') else value
  if isinstance(value, bytes):
    return value.decode(errors='replace')
  return float(value) if isinstance(value, bool | int | float) else str(value)


class RandomImages(ImageDataset):
  """Uniform noise of three channels without labels, made in memory: for measuring, not learning."""

  def __init__(self, split: str, size: tuple[int, int], count: int):
    """Makes `count` images; a split of another name holds others."""
    self.name = f'{RANDOM_IMAGES} {split}'
    self.shape, self.num_classes, self.class_names = (*size, 3), 0, []
    self.dtype = np.dtype(np.uint8)
    seed = int.from_bytes(hashlib.sha256(split.encode()).digest()[:4])
    images = np.random.default_rng(seed).integers(0, 256, (count, *self.shape), np.uint8)
    self._records, self._held = range(count), (images, np.zeros(count, np.int32))
    self.fingerprint = hashlib.sha256(images.data).hexdigest()[:16]
    self.origin = {'full_name': RANDOM_IMAGES}


def decode_image(data: bytes, shape: tuple[int, int, int], dtype: Any = np.uint8) -> np.ndarray:
  """Decodes PNG, JPEG or another format of Pillow's to `shape` `(H, W, C)`, uint8 or uint16.

  The largest centred part of the wanted aspect is cut out and scaled with an antialiased bicubic.
  """
  kind = 'grey16' if dtype == np.uint16 else _KINDS[shape[-1]]
  with Image.open(io.BytesIO(data)) as file:
    if file.mode.startswith('I;16'):
      pixels = np.asarray(file).astype(np.uint16)
    else:
      mode = fit.MODES[shape[-1]]
      pixels = np.asarray(file if file.mode == mode else file.convert(mode))
  pixels = pixels[..., None] if pixels.ndim == 2 else pixels
  return fit.fit(fit.convert(pixels, kind), shape[:2], 'crop')
