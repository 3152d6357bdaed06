"""Makes a TFDS dataset out of a user's own images.

    source ─▶ read ─▶ decode ─▶ fit ─▶ chunks on disk ─▶ labels, splits ─▶ ArrayRecord ─▶ its place

Chunks are kept until the end, so that a preparation that was stopped goes on; the dataset is moved
to its place as a whole, last of all.
"""

import contextlib
import fcntl
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from gan_jax.data.ingest import decode, fit, labels, sources, splits
from gan_jax.data.ingest.picture import RefusedError
from gan_jax.errors import UserError

VERSION = '1.0.0'
REPORT = 'preparation.json'
_CHUNK = 128  # files: what a preparation that is stopped loses at most
_SHARD = 4096  # images in a file of the dataset
_NUMBER = re.compile(r'[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?')

Progress = Callable[[int, int], None]


class Options(NamedTuple):
  """What a user asks of a preparation; see the flags of `launch.py prepare`."""

  source: str
  name: str
  data_dir: str
  size: tuple[int, int] | None = None  # height, width; None: as the images are
  fit: str = 'crop'
  kind: str = ''  # of fit.KINDS; '': what holds all images
  labels: str = ''  # 'folders', a file, or ''
  label: str = ''  # column of the label file
  group: str = ''
  split: Mapping[str, float] | None = None  # None: the source's own, or 9 to 1
  medical: decode.Medical = decode.Medical()
  licence: str = ''
  description: str = ''
  strict: bool = False
  overwrite: bool = False


class Prepared(NamedTuple):
  """What a preparation did.

  Attributes:
    folder: of the dataset, for `tfds.builder_from_directory`.
    report: counts, what was converted and refused: what `preparation.json` there holds.
  """

  folder: str
  report: dict[str, Any]


class _Item(NamedTuple):
  """One image in a chunk."""

  name: str
  file: str
  kind: str
  shape: tuple[int, int]
  digest: str  # of the pixels
  notes: tuple[str, ...]
  group: str
  label: str
  split: str
  chunk: int
  start: int
  length: int


class _Example(NamedTuple):
  """An image with its place in the dataset."""

  item: _Item
  label: str
  group: str
  split: str
  row: Mapping[str, str]


def prepare(
  options: Options,
  open_tfds: Callable[[str, str], Any],
  progress: Progress = lambda done, total: None,
) -> Prepared:
  """Makes the dataset, or goes on with making it.

  Args:
    options: of the preparation.
    open_tfds: opens a TFDS dataset by name and folder, for `--source=tfds:NAME`.
    progress: called with the files done and their number.

  Raises:
    UserError: for options, a source or labels that cannot be used; nothing is left that looks like
      a dataset, and what was prepared before is as it was.
  """
  _check(options)
  place = pathlib.Path(options.data_dir).expanduser() / options.name
  if place.exists() and not options.overwrite:
    raise UserError(
      f'--name={options.name}: {place} is there already; --overwrite replaces it, once the new '
      'one is whole'
    )
  source = sources.open_source(options.source, options.data_dir, open_tfds)
  table = _table(options, source)
  if not source.files:
    raise UserError(
      f'--source={options.source}: holds no image file ({len(source.refused)} refused, '
      f'{len(source.beside)} of other kinds)'
    )
  with _work_folder(options, source) as folder, _quiet():
    items, refused = _make_chunks(source, options, folder, progress)
    refused = [*source.refused, *refused]
    examples, unlabelled = _place_all(options, items, table)
    refused += unlabelled
    report = _report(source, examples, refused, table)
    if options.strict and refused:
      raise UserError(
        f'--strict: {len(refused)} refused, nothing made: '
        + '; '.join(f'{name}: {reason}' for name, reason in refused[:5])
        + ('; ...' if len(refused) > 5 else '')
      )
    if not examples:
      raise UserError(
        f'--source={options.source}: no image could be taken: '
        + '; '.join(f'{name}: {reason}' for name, reason in refused[:5])
      )
    made = folder / 'made'
    shutil.rmtree(made, ignore_errors=True)
    target = made / options.name / VERSION
    report |= _write(target, options, examples, folder)
    (target / REPORT).write_text(json.dumps(report, indent=2))
    _swap(made / options.name, place)
  return Prepared(str(place / VERSION), report)


def _check(options: Options) -> None:
  if not re.fullmatch(r'[a-z][a-z0-9_]*', options.name):
    raise UserError(
      f'--name={options.name}: accepted: lower-case letters, digits and _, a letter first'
    )
  if options.fit not in fit.FITS:
    raise UserError(f'--fit={options.fit}: accepted: {", ".join(fit.FITS)}')
  if options.split:
    total = sum(options.split.values())
    if abs(total - 1) > 1e-6 or min(options.split.values()) <= 0:
      raise UserError(f'--split: shares must be positive and sum to 1; they sum to {total:g}')


def _table(options: Options, source: sources.Source) -> labels.Table | None:
  """Reads the label file, which lies anywhere or in the source folder."""
  if options.labels in ('', 'folders'):
    if options.label:
      raise UserError(f'--label={options.label}: names a column, and --labels names no file')
    return None
  path = pathlib.Path(options.labels).expanduser()
  inside = pathlib.Path(options.source).expanduser() / options.labels
  if not path.exists() and inside.is_file():
    path = inside
  names = [file.name for file in source.files]
  return labels.read_table(str(path), options.label, names)


@contextlib.contextmanager
def _work_folder(options: Options, source: sources.Source) -> Iterator[pathlib.Path]:
  """A folder for one preparation at a time, removed when it is done, kept when it is stopped."""
  decides = [options.size, options.fit, options.medical, _CHUNK]
  digest = hashlib.sha256(json.dumps(decides).encode())
  for file in source.files:
    digest.update(f'{file.name}\0{file.stamp}\0{file.label}\0{file.split}\n'.encode())
  root = pathlib.Path(options.data_dir).expanduser() / '.preparing' / options.name
  folder = root / digest.hexdigest()[:16]
  folder.mkdir(parents=True, exist_ok=True)
  with open(root / 'lock', 'w') as lock:
    try:
      fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
      raise UserError(f'--name={options.name}: another preparation of it is going on') from error
    for other in root.iterdir():
      if other.is_dir() and other != folder:
        shutil.rmtree(other)  # of other files or other options
    yield folder
    shutil.rmtree(root)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
  """Keeps what decoders warn of, which is in the report, from the screen."""
  with warnings.catch_warnings():
    warnings.simplefilter('ignore')
    yield


def _make_chunks(
  source: sources.Source, options: Options, folder: pathlib.Path, progress: Progress
) -> tuple[list[_Item], list[tuple[str, str]]]:
  """Decodes and fits all files, chunk by chunk; chunks that are there already are taken."""
  items: list[_Item] = []
  refused: list[tuple[str, str]] = []
  total = len(source.files)
  with ThreadPoolExecutor(os.cpu_count()) as pool:
    for number, start in enumerate(range(0, total, _CHUNK)):
      progress(start, total)
      files = source.files[start : start + _CHUNK]
      index = folder / f'{number:06d}.json'
      if not index.exists():
        _make_chunk(files, options, pool, folder, number)
      kept = json.loads(index.read_text())
      for row in kept['items']:
        row['shape'], row['notes'] = tuple(row['shape']), tuple(row['notes'])
        items.append(_Item(chunk=number, **row))
      refused += [(name, reason) for name, reason in kept['refused']]
    progress(total, total)
  return items, refused


def _make_chunk(
  files: Sequence[sources.File],
  options: Options,
  pool: ThreadPoolExecutor,
  folder: pathlib.Path,
  number: int,
) -> None:
  """Writes the images of some files one after the other, then their index, whole or not at all."""
  rows: list[dict[str, Any]] = []
  refused: list[tuple[str, str]] = []
  start = 0
  data = folder / f'{number:06d}.data'
  with open(data, 'wb') as stored:
    for found, reason in pool.map(lambda file: _convert(file, options), files):
      for row, image in found:
        stored.write(image)
        rows.append({**row, 'start': start, 'length': len(image)})
        start += len(image)
      if reason:
        refused.append(reason)
    stored.flush()
    os.fsync(stored.fileno())
  part = folder / f'{number:06d}.part'
  part.write_text(json.dumps({'items': rows, 'refused': refused}))
  os.replace(part, folder / f'{number:06d}.json')


def _convert(
  file: sources.File, options: Options
) -> tuple[list[tuple[dict[str, Any], bytes]], tuple[str, str] | None]:
  """Reads one file: its images, as rows of the index and PNG, and why there are no more of them."""
  found = []
  try:
    for picture in decode.read(file.name, _read(file), options.medical):
      pixels = picture.pixels
      if options.size:
        pixels = fit.fit(pixels, options.size, options.fit)
      pixels = np.ascontiguousarray(pixels)
      row = {
        'name': picture.name,
        'file': file.name,
        'kind': fit.kind_of(pixels),
        'shape': pixels.shape[:2],
        'digest': hashlib.sha256(pixels.data).hexdigest()[:32],
        'notes': picture.notes,
        'group': picture.group,
        'label': file.label,
        'split': file.split,
      }
      found.append((row, _png(pixels)))
  except RefusedError as error:
    return found, (file.name, str(error))
  return found, None


def _read(file: sources.File) -> bytes | np.ndarray:
  try:
    return file.read()
  except RefusedError:
    raise
  except Exception as error:  # a disk's, an archive's or a decompressor's own
    lines = str(error).strip().splitlines() or [type(error).__name__]
    raise RefusedError(f'cannot be read: {lines[0][:120]}') from error


def _place_all(
  options: Options, items: Sequence[_Item], table: labels.Table | None
) -> tuple[list[_Example], list[tuple[str, str]]]:
  """Gives every image its class, group and split; lists those for which that cannot be done."""
  group_of = labels.group_of(options.group, table)
  examples, refused = [], []
  for item in items:
    try:
      row = table.row(item.name) if table else {}
      label = item.label
      if options.labels == 'folders':
        label = labels.folder_label(item.file)
      elif table:
        label = row.get(table.label, '')
        if table.label and not label:
          raise RefusedError(f'has no {table.label} in {table.source}')
      group = group_of(item.name, row, item.group)
      examples.append(_Example(item, label, group, item.split, row))
    except RefusedError as error:
      refused.append((item.name, str(error)))
  own = bool(examples) and all(example.split for example in examples)
  if examples and (options.split or not own):
    shares = options.split or {'train': 0.9, 'test': 0.1}
    places = splits.divide([example.group for example in examples], shares)
    examples = [e._replace(split=split) for e, split in zip(examples, places, strict=True)]
  # Any part of a split is then a random part of it, whatever the order of the source.
  return sorted(examples, key=lambda e: hashlib.sha256(e.item.name.encode()).digest()), refused


def _report(
  source: sources.Source,
  examples: Sequence[_Example],
  refused: list[tuple[str, str]],
  table: labels.Table | None,
) -> dict[str, Any]:
  converted = [example.item for example in examples if example.item.notes]
  report: dict[str, Any] = {
    'files': len(source.files) + len(source.refused),
    'images': len(examples),
    'converted': len(converted),
    'conversions': dict(Counter(note for item in converted for note in item.notes)),
    'refused': len(refused),
    'reasons': [list(pair) for pair in refused],
    'other_files': source.beside,
    'splits': dict(Counter(example.split for example in examples)),
    'classes': dict(Counter(example.label for example in examples if example.label)),
  }
  if table is not None:
    named = {example.item.name for example in examples} | {e.item.file for e in examples}
    named |= {name for name, _ in refused} | {name.split('#')[0] for name, _ in refused}
    report['rows_without_image'] = sorted(set(table.rows) - named)
  return report


def _write(
  folder: pathlib.Path, options: Options, examples: Sequence[_Example], chunks: pathlib.Path
) -> dict[str, Any]:
  """Writes the dataset; returns what the report says of it."""
  shape, kind = _shape(options, examples), options.kind
  kind = kind or fit.common_kind({example.item.kind for example in examples})
  classes = labels.class_names([e.label for e in examples]) if examples[0].label else []
  columns = _columns(examples)
  channels = fit.CHANNELS[kind]
  dtype = np.uint16 if kind == 'grey16' else np.uint8
  image = tfds.features.Image(shape=(*shape, channels), dtype=dtype, encoding_format='png')
  features: dict[str, Any] = {
    'image': image,
    'name': tfds.features.Text(),
    'group': tfds.features.Text(),
  }
  if classes:
    features['label'] = tfds.features.ClassLabel(names=classes)
  if columns:
    features['attributes'] = {
      name: tfds.features.Scalar(np.float64) if numeric else tfds.features.Text()
      for name, numeric in columns.items()
    }
  checksum = _checksum(examples, kind)
  about = {
    'source': options.source,
    'licence': options.licence or 'not stated',
    'checksum': checksum,
    'kind': kind,
    'image_shape': [*shape, channels],
  }
  folder.mkdir(parents=True)
  info = tfds.core.DatasetInfo(
    builder=tfds.core.DatasetIdentity(
      name=options.name,
      version=tfds.core.Version(VERSION),
      data_dir=str(folder),
      module_name='gan_jax.data.ingest.prepare',
    ),
    description=options.description or f'Images of {options.source}, prepared by gan_jax.',
    features=tfds.features.FeaturesDict(features),
    supervised_keys=('image', 'label') if classes else None,
    license=options.licence,
    metadata=tfds.core.MetadataDict(about),
  )
  writer = tfds.core.SequentialWriter(info, _SHARD, file_format='array_record')
  writer.initialize_splits(sorted({example.split for example in examples}))
  with _Chunks(chunks) as read:
    for example in examples:
      encoded = _encoded(example, columns, bool(classes))
      encoded['image'] = io.BytesIO(_of_kind(read(example.item), example.item.kind, kind))
      writer.add_examples({example.split: [encoded]})
  writer.close_all()
  return {**about, 'groups': len({example.group for example in examples})}


def _shape(options: Options, examples: Sequence[_Example]) -> tuple[int, int]:
  """The size of all images; without one asked for, they must have one themselves."""
  found = Counter(example.item.shape for example in examples)
  if len(found) > 1:
    common = ', '.join(f'{w}×{h} ({count:,})' for (h, w), count in found.most_common(3))
    raise UserError(
      f'--source={options.source}: images of {len(found):,} sizes: {common}'
      f'{", ..." if len(found) > 3 else ""}; give --resolution=N or --size=WIDTHxHEIGHT'
    )
  return next(iter(found))


def _columns(examples: Sequence[_Example]) -> dict[str, bool]:
  """The attribute columns, and whether each holds numbers alone (an empty value is NaN then)."""
  names = list(dict.fromkeys(column for example in examples for column in example.row))
  values = {name: {example.row.get(name, '') for example in examples} - {''} for name in names}
  return {name: bool(v) and all(map(_NUMBER.fullmatch, v)) for name, v in values.items()}


def _checksum(examples: Sequence[_Example], kind: str) -> str:
  """Of all pixels, labels, splits and attributes, and of nothing else."""
  digest = hashlib.sha256(kind.encode())
  for item, label, group, split, row in examples:
    about = [item.name, item.digest, label, group, split, sorted(row.items())]
    digest.update(json.dumps(about).encode())
  return digest.hexdigest()[:32]


def _encoded(example: _Example, columns: Mapping[str, bool], labelled: bool) -> dict[str, Any]:
  encoded: dict[str, Any] = {'name': example.item.name, 'group': example.group}
  if labelled:
    encoded['label'] = example.label
  if columns:
    number = lambda text: float(text) if text else float('nan')
    encoded['attributes'] = {
      name: number(example.row.get(name, '')) if numeric else example.row.get(name, '')
      for name, numeric in columns.items()
    }
  return encoded


def _of_kind(image: bytes, found: str, kind: str) -> bytes:
  if found == kind:
    return image
  with Image.open(io.BytesIO(image)) as file:
    pixels = np.asarray(file)
  if pixels.ndim == 2:
    pixels = pixels[..., None]
  return _png(fit.convert(pixels.astype(np.uint16) if found == 'grey16' else pixels, kind))


def _png(pixels: np.ndarray) -> bytes:
  file = io.BytesIO()
  Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(file, format='PNG')
  return file.getvalue()


class _Chunks:
  """Reads images out of chunks in any order, with few files open."""

  _OPEN = 64

  def __init__(self, folder: pathlib.Path):
    self._folder = folder
    self._files: dict[int, Any] = {}

  def __enter__(self) -> Callable[[_Item], bytes]:
    return self._read

  def __exit__(self, *error: object) -> None:
    for file in self._files.values():
      file.close()

  def _read(self, item: _Item) -> bytes:
    if item.chunk not in self._files:
      if len(self._files) >= self._OPEN:
        self._files.pop(next(iter(self._files))).close()
      self._files[item.chunk] = open(self._folder / f'{item.chunk:06d}.data', 'rb')
    file = self._files[item.chunk]
    file.seek(item.start)
    return file.read(item.length)


def _swap(made: pathlib.Path, place: pathlib.Path) -> None:
  """Puts a whole dataset in its place, and removes what was there."""
  old = made.parent / 'replaced'
  if place.exists():
    os.rename(place, old)
  os.rename(made, place)
  shutil.rmtree(old, ignore_errors=True)
