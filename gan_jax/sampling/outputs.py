"""What samples are written as: a grid, a folder, a zip, an npz or a TFDS dataset."""

import csv
import io
import json
import math
import os
import re
import tempfile
import zipfile
from collections.abc import Mapping, Sequence

import numpy as np

from gan_jax.data import by_name
from gan_jax.data.ingest import options, prepare
from gan_jax.errors import UserError, nearest
from gan_jax.sampling import about
from gan_jax.sampling.captions import captioned
from gan_jax.sampling.grid import (
  cell,
  encoded,
  folder_beside,
  laid_out,
  save_image,
  scaled,
  whole_file,
)
from gan_jax.sampling.plan import Plan

_IN_A_FOLDER = 1000  # images of a folder within a zip, as StyleGAN's tools have it
_TABLE = 'samples.csv'
FORMATS = ('grid', 'folder', 'zip', 'npz', 'tfds')
ENDINGS = {'.png': 'grid', '.zip': 'zip', '.npz': 'npz'}


def write(out: str, form: str, plan: Plan, captions: bool, overwrite: bool) -> None:
  """Writes samples in one of `FORMATS`; see `sample.check_out`."""
  if form == 'grid':
    write_grid(out, plan, captions)
  elif form == 'folder':
    write_folder(out, plan)
  elif form == 'zip':
    write_zip(out, plan)
  elif form == 'npz':
    write_npz(out, plan)
  else:
    write_tfds(out, plan, overwrite)


def write_grid(out: str, plan: Plan, with_captions: bool = False) -> None:
  """Writes a PNG for the eye; of several classes each begins a row.

  Large images are scaled in it, and in full size in a folder of its name, as `write_folder` does.

  Args:
    out: FILE.png.
    plan: of the images.
    with_captions: write class and seed, or index, under each.
  """
  cells, columns = _cells(plan.labels)
  count, folder = len(plan.labels), beside(out, plan)
  if folder:
    os.makedirs(folder, exist_ok=True)
  size = cell(plan.model.resolution, len(cells), columns)
  images, called = [], file_names(plan.model.class_names)
  for row, image in enumerate(plan.images()):  # in full size all of them may not fit into memory
    if folder:
      save_image(os.path.join(folder, _file_name(plan, row, called)), image, plan.recipe(row))
    images.append(scaled(image[None], size))
  blank = np.concatenate([*images, np.zeros_like(images[0])])
  if not with_captions:
    return save_image(out, laid_out(blank[cells], columns), plan.whole_recipe())
  if len(images) in cells:  # under white, where captions are black on white
    blank[-1] = np.iinfo(blank.dtype).max
  captions = [*(_caption(plan, row) for row in range(count)), '']
  picture = captioned(blank[cells], columns, [captions[cell] for cell in cells])
  return save_image(out, picture, plan.whole_recipe())


def beside(out: str, plan: Plan) -> str:
  """The folder of a grid's images in full size; '' where the grid has them so."""
  cells, columns = _cells(plan.labels)
  is_full = cell(plan.model.resolution, len(cells), columns) == plan.model.resolution
  return '' if is_full else folder_beside(out)


def _cells(labels: np.ndarray) -> tuple[np.ndarray, int]:
  """The image of each cell, row by row, their number for none, and how many columns there are."""
  classes = list(dict.fromkeys(labels.tolist()))
  if len(classes) == 1:
    return np.arange(len(labels)), math.ceil(math.sqrt(len(labels)))
  columns = math.ceil(len(labels) / len(classes))
  rows = []
  for label in classes:
    found = np.flatnonzero(labels == label)
    rows.append(np.pad(found, (0, -len(found) % columns), constant_values=len(labels)))
  return np.concatenate(rows), columns


def _caption(plan: Plan, row: int) -> str:
  several = len(set(plan.seeds)) > 1
  drawn = f'seed {plan.seeds[row]}' if several else f'#{plan.places[row]}'
  return ' '.join(filter(None, (plan.class_name(row), drawn)))


def write_folder(out: str, plan: Plan) -> None:
  """Writes one PNG an image, `<row>_<class>.png`; the class by its name where that can be.

  What is outside of what the model was trained on is `<row>_<class>_outside.png`.
  """
  os.makedirs(out, exist_ok=True)
  called = file_names(plan.model.class_names)
  for row, image in enumerate(plan.images()):
    save_image(os.path.join(out, _file_name(plan, row, called)), image, plan.recipe(row))


def _file_name(plan: Plan, row: int, called: Mapping[int, str]) -> str:
  label = int(plan.labels[row])
  marked = f'_{about.OUTSIDE.lower()}' if about.OUTSIDE in plan.remarks else ''
  return f'{row:06d}_{called.get(label, label)}{marked}.png'


def file_names(names: Sequence[str]) -> dict[int, str]:
  """What each class is called in a file's name; {} where two would be called the same."""
  called = [re.sub(r'[^\w-]+', '_', name).strip('_')[:60] for name in names]
  return dict(enumerate(called)) if all(called) and len(set(called)) == len(called) else {}


def write_zip(out: str, plan: Plan) -> None:
  """Writes a zip as StyleGAN2-ADA's `dataset_tool.py` does: PNGs, and labels in `dataset.json`."""
  names = [f'{row // _IN_A_FOLDER:05d}/img{row:08d}.png' for row in range(len(plan.labels))]
  with whole_file(out) as file, zipfile.ZipFile(file, 'w', zipfile.ZIP_STORED) as archive:
    for row, image in enumerate(plan.images()):
      _put(archive, names[row], encoded(image, plan.recipe(row)))
    labels = None
    if plan.model.num_classes:
      labels = [[name, int(label)] for name, label in zip(names, plan.labels, strict=True)]
    more = {'class_names': list(plan.model.class_names), 'recipe': _told(plan)}
    _put(archive, 'dataset.json', json.dumps({'labels': labels, **more}).encode())


def _put(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
  """Adds a file without the time of day: the same samples are the same bytes."""
  archive.writestr(zipfile.ZipInfo(name), data)


def _told(plan: Plan) -> dict[str, str]:
  return {**plan.whole_recipe(), 'DigitalSourceType': about.SYNTHETIC, 'Software': 'gan_jax'}


def write_npz(out: str, plan: Plan) -> None:
  """Writes an .npz: `images`, `labels`, latents `z`, `seeds`, `places`, and `recipe`, as JSON."""
  shape = (len(plan.labels), *plan.model.resolution, plan.model.channels)
  arrays: dict[str, np.ndarray] = {
    'labels': plan.labels,
    'z': plan.latents(),
    'seeds': np.array(plan.seeds, np.uint64 if min(plan.seeds) >= 0 else np.int64),
    'places': plan.places,
    'truncation': np.array(plan.truncation, np.float32),
    'class_names': np.array(plan.model.class_names, np.str_),
    'recipe': np.array(json.dumps(_told(plan))),
  }
  with whole_file(out) as file, zipfile.ZipFile(file, 'w', zipfile.ZIP_DEFLATED) as archive:
    # Image by image: all of them may be more than there is memory.
    with archive.open(zipfile.ZipInfo('images.npy'), 'w', force_zip64=True) as member:
      header = np.lib.format.header_data_from_array_1_0(np.empty(0, plan.model.dtype))
      np.lib.format.write_array_header_1_0(member, {**header, 'shape': shape})
      for image in plan.images():
        member.write(np.ascontiguousarray(image).tobytes())
    for name, array in arrays.items():
      member_bytes = io.BytesIO()
      np.save(member_bytes, array, allow_pickle=False)
      _put(archive, f'{name}.npy', member_bytes.getvalue())


def write_tfds(out: str, plan: Plan, overwrite: bool = False) -> None:
  """Writes a TFDS dataset DATA_DIR/NAME, with seed, place and truncation of each as attributes.

  Raises:
    UserError: where `prepare` would refuse it.
  """
  data_dir, name = os.path.split(os.path.normpath(out))
  columns = ('file', 'seed', 'place', 'truncation', *(['label'] if plan.model.num_classes else []))
  with tempfile.TemporaryDirectory(prefix='gan_jax-') as folder:
    path = os.path.join(folder, 'samples.zip')
    table = io.StringIO()
    rows = csv.writer(table, lineterminator='\n')
    rows.writerow(columns)
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_STORED) as archive:
      for row, image in enumerate(plan.images()):
        file = f'{row:06d}.png'
        _put(archive, file, encoded(image))
        told = (plan.seeds[row], plan.places[row], plan.truncation, plan.class_name(row))
        rows.writerow((file, *told)[: len(columns)])
      _put(archive, _TABLE, table.getvalue().encode())
    asked = options.Options(
      source=path,
      name=name,
      data_dir=by_name.data_folder(data_dir),
      labels=_TABLE,
      label='label' if plan.model.num_classes else '',
      kind=_kind(plan),
      split={'train': 1.0},
      licence='synthetic',
      description=about.sentence(_told(plan)),
      overwrite=overwrite,
    )
    try:
      prepare.prepare(asked, by_name.open_builder)
    except UserError as error:
      raise UserError(f'--out={out}: {error}') from error


def _kind(plan: Plan) -> str:
  if plan.model.channels == 1:
    return 'grey16' if plan.model.dtype == np.uint16 else 'grey'
  return 'rgb' if plan.model.channels == 3 else 'rgba'


def format_of(out: str, asked: str) -> str:
  """Which of `FORMATS` a place is written as: as asked for, else by its ending, else a folder.

  Raises:
    UserError: for another format.
  """
  if asked and asked not in FORMATS:
    raise UserError(f'--format={asked}: {nearest(asked, FORMATS)}')
  return asked or ENDINGS.get(os.path.splitext(out)[1].lower(), 'folder')
