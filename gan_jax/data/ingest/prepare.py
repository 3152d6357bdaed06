"""Makes a TFDS dataset out of a user's own images.

    source ─▶ read ─▶ decode ─▶ fit ─▶ chunks on disk ─▶ labels, splits ─▶ ArrayRecord ─▶ its place

Chunks are kept until the end, so that a preparation that was stopped goes on; the dataset is moved
to its place as a whole, last of all.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import re
import secrets
import shutil
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import tensorflow_datasets as tfds

from gan_jax import registry
from gan_jax.data.ingest import (
  chunks,
  decode,
  dicom,
  files,
  fit,
  labels,
  layout,
  png,
  sources,
  splits,
  tables,
  writer,
)
from gan_jax.data.ingest.options import Options
from gan_jax.data.ingest.picture import Picture, RefusedError
from gan_jax.data.ingest.writer import Example
from gan_jax.errors import UserError

REPORT = 'preparation.json'
_OLD = 'replaced'  # the dataset that was there, while the new one is put in its place
_FORMAT = 3  # changes when files would be decoded otherwise: chunks kept before are made anew
_RESERVED = ('random_images', 'packages', 'downloads')  # in a folder of datasets, or as a name
_TOLD = 5  # refusals that a message names


class Prepared(NamedTuple):
  """What a preparation did.

  Attributes:
    folder: of the dataset, for `tfds.builder_from_directory`.
    report: counts, what was converted and refused: what `preparation.json` there holds.
  """

  folder: str
  report: dict[str, Any]


def prepare(
  options: Options,
  open_tfds: Callable[[str, str], Any],
  progress: Callable[[int, int], None] = lambda done, total: None,
) -> Prepared:
  """Makes the dataset, or goes on with making it.

  Args:
    options: what is asked for.
    open_tfds: opens a TFDS dataset by name and folder, for `tfds:NAME`.
    progress: called with the files done and their number.

  Raises:
    UserError: for options, a source or labels that cannot be used; nothing is left that looks like
      a dataset, and what was prepared before is as it was.
  """
  place = _check(options)
  source = sources.open_source(options.source, options.data_dir, open_tfds, options.follow_links)
  table = tables.open_table(options, source)
  if not source.files:
    told = ''.join(f'; {name}: {reason}' for name, reason in source.refused[:_TOLD])
    raise UserError(
      f'--source={options.source}: holds no image file ({len(source.refused)} refused, '
      f'{len(source.beside)} of other kinds){told}'
    )
  with _work_folder(options, source, place) as folder, warnings.catch_warnings():
    warnings.simplefilter('ignore')  # what decoders warn of is in the report, or a refusal
    salt = _salt(folder)
    items, refused = chunks.make(
      source.files, folder, lambda file: _pictures(file, options, salt), progress
    )
    examples, unplaced = _place_all(options, items, table)
    refused = [*source.refused, *refused, *unplaced]
    if refused and (options.strict or not examples):
      raise UserError(
        f'--source={options.source}: {len(refused):,} refused'
        f'{" and --strict is given" if options.strict else ", no image is left"}; nothing made: '
        + '; '.join(f'{name}: {reason}' for name, reason in refused[:_TOLD])
        + ('; ...' if len(refused) > _TOLD else '')
      )
    _check_shapes(options, examples)
    made = folder / 'made'
    shutil.rmtree(made, ignore_errors=True)
    with chunks.Reader(folder) as reader:
      metadata = writer.write(
        made / options.name / writer.VERSION,
        options.name,
        examples,
        reader,
        kind=options.kind,
        about={
          'source': options.source,
          'licence': options.licence or 'not stated',
          # So that other images can be read as these were.
          'reading': {'fit': options.fit, 'medical': _plain(options.medical)},
          **_limits(options, examples),
        },
        description=options.description or f'Images of {options.source}.',
      )
    report = _report(source, examples, refused, table, metadata['kind']) | metadata
    report['asked_shares'] = _shares(options, examples)
    text = json.dumps(report, indent=2)
    (made / options.name / writer.VERSION / REPORT).write_text(text, encoding='utf-8')
    _swap(made / options.name, place, folder.parent / _OLD)
  return Prepared(str(place / writer.VERSION), report)


def _plain(medical: decode.Medical) -> dict[str, Any]:
  """As JSON gives it back."""
  lists = lambda value: list(value) if isinstance(value, tuple) else value
  return {name: lists(value) for name, value in medical._asdict().items()}


def _check(options: Options) -> pathlib.Path:
  """Raises UserError for options that nothing can be made of; returns the dataset's place."""
  if not re.fullmatch(r'[a-z][a-z0-9_]*', options.name):
    raise UserError(
      f'--name={options.name}: accepted: lower-case letters, digits and _, a letter first'
    )
  if options.name in _RESERVED or options.name in registry.names('data.datasets'):
    raise UserError(f'--name={options.name}: is a name that comes with gan_jax')
  if options.name in tfds.list_builders(with_community_datasets=False):
    raise UserError(f'--name={options.name}: is the name of a dataset that TFDS has')
  place = pathlib.Path(os.path.expanduser(options.data_dir)) / options.name
  _check_free(options, place)
  return place


def _check_free(options: Options, place: pathlib.Path) -> None:
  if os.path.lexists(place) and not options.overwrite:
    raise UserError(
      f'--name={options.name}: {place} is there already; --overwrite replaces it once the new one '
      'is whole'
    )


@contextlib.contextmanager
def _work_folder(
  options: Options, source: sources.Source, place: pathlib.Path
) -> Iterator[pathlib.Path]:
  """A folder for one preparation at a time, removed when it is done, kept when it is stopped."""
  path = os.path.realpath(os.path.expanduser(options.source))
  decides = [_FORMAT, path, options.size, options.fit, options.medical, chunks.FILES]
  digest = hashlib.sha256(json.dumps(decides).encode())
  for file in source.files:
    digest.update(f'{file.name}\0{file.stamp}\0{file.label}\0{file.split}\n'.encode())
  root = place.parent / '.preparing' / options.name
  folder = root / digest.hexdigest()[:16]
  try:
    folder.mkdir(parents=True, exist_ok=True)
    with open(root / 'lock', 'wb') as lock:
      try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
      except BlockingIOError as error:
        raise UserError(f'--name={options.name}: another preparation of it is going on') from error
      if os.path.lexists(root / _OLD) and not os.path.lexists(place):
        os.rename(root / _OLD, place)  # stopped in the middle of `_swap`
        _check_free(options, place)
      for other in root.iterdir():
        if other.is_symlink():
          other.unlink()
        elif other.is_dir() and other != folder:
          shutil.rmtree(other)  # of other files or other options
      yield folder
      shutil.rmtree(root, ignore_errors=True)
  except OSError as error:
    raise UserError(f'--data_dir={options.data_dir}: cannot be written: {error}') from error


def _salt(folder: pathlib.Path) -> bytes:
  """What keys the digests of ids in the chunks: random, and gone with them."""
  path = folder / 'salt'
  if not path.exists():
    part = folder / 'salt.part'
    part.write_bytes(secrets.token_bytes(16))
    os.replace(part, path)
  return path.read_bytes()


def _pictures(file: files.File, options: Options, salt: bytes) -> Iterator[Picture]:
  """The pictures of a file, at the size asked for."""
  with files.contents(file) as data:
    for picture in decode.read(file.name, data, options.medical, salt):
      if options.size is not None:
        picture = picture._replace(pixels=fit.fit(picture.pixels, options.size, options.fit))
      if isinstance(data, bytes) and not picture.notes:
        picture = picture._replace(png=png.taken_over(data, picture.pixels))
      yield picture


def _place_all(
  options: Options, items: Sequence[chunks.Item], table: labels.Table | None
) -> tuple[list[Example], list[chunks.Refusal]]:
  """Gives every image its class, group and split; lists those for which that cannot be done."""
  group_of = labels.group_of(options.group, table)
  by_folder = options.labels == 'folders'
  if by_folder and any(item.label for item in items):
    raise UserError(f'--labels=folders: {options.source} has classes of its own; leave it out')
  names = list(dict.fromkeys(item.file for item in items))
  if by_folder and table and len(set(labels.by_folder(names))) < 2:
    raise UserError(
      f'--labels=folders: {options.source} has no folders of several classes, but columns: '
      f'{", ".join(table.columns)}; --label=COLUMN takes one'
    )
  places = dict(zip(names, layout.arrange(names), strict=True))
  examples, refused = [], []
  for item in _regrouped(items):
    try:
      row = dict(table.row(item.name, item.file)) if table else {}
      label, place = item.label, places[item.file]
      if place.beside and not item.split and (by_folder or not options.split):
        raise RefusedError('lies beside the folders that are splits, such as train and test')
      if not item.split:
        item = item._replace(split=place.split)
      if by_folder:
        label = labels.folder_label(place.path)
      elif table and table.label:
        label = row.get(table.label, '')
        if not label:
          raise RefusedError(f'has no {table.label} in {table.source}')
      # Parts of one file, such as frames, are as near to each other as slices of one patient.
      group = group_of(item.name, row, item.group or item.file)
      if table:
        row.pop(table.label, None)  # it is the class, not one attribute more
      label = ' '.join(label.split())  # TFDS keeps one class a line, without blanks around it
      examples.append(Example(item, label, group, item.split, row))
    except RefusedError as error:
      refused.append((item.name, str(error)))
  labelled = any(example.label for example in examples)
  refused += [(e.item.name, 'has no class') for e in examples if labelled and not e.label]
  examples = [example for example in examples if example.label or not labelled]
  shares = _shares(options, examples)
  if examples and shares:
    divided = splits.divide([example.group for example in examples], shares)
    examples = [e._replace(split=split) for e, split in zip(examples, divided, strict=True)]
  else:
    _check_apart(options, examples)
  # Any part of a split is then a random part of it, whatever the order of the source.
  return sorted(examples, key=lambda e: hashlib.sha256(e.item.name.encode()).digest()), refused


def _regrouped(items: Sequence[chunks.Item]) -> list[chunks.Item]:
  """Names patients by the first file of each, and no longer by digests of ids.

  The salt of those is not kept, so that every preparation would divide the same files otherwise.
  """
  first: dict[str, str] = {}
  for item in sorted(items):
    first.setdefault(item.group, hashlib.sha256(item.file.encode()).hexdigest()[:12])
  keyed = lambda item: not item.split and dicom.GROUP.fullmatch(item.group)  # with one: of TFDS
  name = lambda group: f'{group.split("-")[0]}-{first[group]}'
  return [item._replace(group=name(item.group)) if keyed(item) else item for item in items]


def _shares(options: Options, examples: Sequence[Example]) -> dict[str, float]:
  """The share of the images that each split is to get; {} where the source's own splits stay.

  Where nothing is asked for and all images are of one group, such as a patient, all are trained on:
  a hold-out of that group would be none.
  """
  if options.split:
    return dict(options.split)
  if all(example.item.split for example in examples):
    return {}
  one_group = len({example.group for example in examples}) == 1
  return {'train': 1.0} if one_group else dict(splits.SHARES)


def _check_apart(options: Options, examples: Sequence[Example]) -> None:
  """Raises UserError where the source's own splits part a group."""
  first_of: dict[str, Example] = {}
  for example in examples:
    first = first_of.setdefault(example.group, example)
    if first.split != example.split:
      flag = f'--group={options.group}' if options.group else f'--source={options.source}'
      raise UserError(
        f'{flag}: {example.group!r} is in both {first.split} and {example.split} of the source, '
        f'such as {first.item.name} and {example.item.name}; --split=NAME:SHARE,... divides it anew'
      )


def _check_shapes(options: Options, examples: Sequence[Example]) -> None:
  """Raises UserError where images are of several sizes, which no dataset of ours is."""
  found = Counter(example.item.shape for example in examples)
  if len(found) > 1:
    common = ', '.join(f'{w}x{h} ({count:,})' for (h, w), count in found.most_common(3))
    raise UserError(
      f'--source={options.source}: images of {len(found):,} sizes: {common}'
      f'{", ..." if len(found) > 3 else ""}; give --resolution=N or --size=WIDTHxHEIGHT'
    )


def _report(
  source: sources.Source,
  examples: Sequence[Example],
  refused: Sequence[chunks.Refusal],
  table: labels.Table | None,
  kind: str,
) -> dict[str, Any]:
  notes: dict[str, list[str]] = {}
  for example in examples:
    item = example.item
    if found := [*item.notes, *([f'{item.kind} to {kind}'] if item.kind != kind else [])]:
      notes[item.name] = found
  report: dict[str, Any] = {
    'files': len(source.files) + len(source.refused),
    'images': len(examples),
    'converted': len(notes),
    'conversions': dict(Counter(note for found in notes.values() for note in found)),
    'converted_images': notes,
    'refused': len(refused),
    'refusals': [list(refusal) for refusal in refused],
    'other_files': list(source.beside),
    'groups': len({example.group for example in examples}),
    'splits': dict(Counter(example.split for example in examples)),
    'attributes': sorted({column for example in examples for column in example.row}),
    'greatest_value': max(example.item.greatest for example in examples),
    'classes': dict(Counter(example.label for example in examples if example.label)),
  }
  if table is not None:
    known = {file.name for file in source.files} | {name for name, _ in refused}
    known |= {file.part_of for file in source.files}
    known |= {example.item.name for example in examples}
    missing = sorted(set(table.rows) - known)
    report['rows_without_image'] = missing
    report['why_rows_have_none'] = {n: table.unmatched[n] for n in missing if n in table.unmatched}
    report['columns_left_out'] = list(table.left_out)
  return report


def _limits(options: Options, examples: Sequence[Example]) -> dict[str, Any]:
  """What `data.limits` reads of a dataset's metadata."""
  modalities = {example.item.modality for example in examples}
  return {
    'not_for': options.not_for,
    'medical': any(example.item.medical for example in examples),
    'modality': modalities.pop() if len(modalities) == 1 else '',
  }


def _swap(made: pathlib.Path, place: pathlib.Path, old: pathlib.Path) -> None:
  """Puts a whole dataset in its place; what was there is `old` until it is removed."""
  if os.path.lexists(place):
    os.rename(place, old)
  os.rename(made, place)
