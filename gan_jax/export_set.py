"""Writes a labelled set of generated images for people to train on or to learn from, in a folder.

- `README.txt`: what it is, how it was made, what it may not be used for.
- `labels.csv`: a row an image: file, class, seed, place, truncation.
- `images/`: PNG, of the depth of the data; `dicom/`: the same as DICOM, where the data are images
  of medicine; `tfds/`: the same as a TFDS dataset `synthetic`.
- `audit/`: what the audits say of these very images.
"""

import csv
import io
import os

import numpy as np

from gan_jax.audit import conduct, report, requests, subject
from gan_jax.data import limits
from gan_jax.errors import UserError
from gan_jax.sampling import about, dicom, outputs
from gan_jax.sampling.plan import Plan
from gan_jax.text import cell, number_of, say
from gan_jax.workdir import record

NAME = 'synthetic'  # of the TFDS dataset


def write(plan: Plan, folder: str, data_dir: str = '', overwrite: bool = False) -> None:
  """Writes the images of a plan, their labels, and the audits of them.

  Args:
    plan: of the images.
    folder: that they go to.
    data_dir: where the dataset of the run is now; '': where the run had it.
    overwrite: replace a TFDS dataset that is there.

  Raises:
    UserError: for a model without a run, data that are not there, a place that cannot be written.
  """
  known = requests.data_of(plan.model)
  of_run = requests.subject_of(plan.model, data_dir)
  known = {**of_run.train.origin, **known}
  said = limits.text(known)
  plan = plan._replace(remarks={**plan.remarks, 'Limits of use': said})
  try:
    outputs.write_folder(os.path.join(folder, 'images'), plan)
    files = sorted(os.listdir(os.path.join(folder, 'images')))
    if known.get('medical') and plan.model.channels in (1, 3):
      _write_dicom(
        plan, os.path.join(folder, 'dicom'), files, str(known.get('modality') or ''), said
      )
    record.write_atomically(os.path.join(folder, 'labels.csv'), _table(plan, files))
    record.write_atomically(os.path.join(folder, 'README.txt'), _readme(plan, said))
    outputs.write_tfds(os.path.join(folder, 'tfds', NAME), plan, overwrite)
  except OSError as error:
    raise UserError(f'--out={folder}: cannot be written: {error.strerror}') from error
  images = np.stack(list(plan.images()))
  labels = plan.labels if plan.model.num_classes else None
  audited = subject.with_images(of_run, folder, images, labels)
  modules = conduct.chosen(None)
  results = conduct.conduct(audited, modules, conduct.settings_of(modules, {}))
  report.show(results)
  report.write(audited, results, os.path.join(folder, 'audit'))
  say(f'{number_of(len(images), "image")} of {plan.model} in {folder}')


def _write_dicom(plan: Plan, folder: str, files: list[str], modality: str, said: str) -> None:
  os.makedirs(folder, exist_ok=True)
  series = dicom.Series(modality)
  for row, image in enumerate(plan.images()):
    path = os.path.join(folder, os.path.splitext(files[row])[0] + '.dcm')
    dicom.write(path, dicom.dataset(image, series, row + 1, plan.recipe(row), said))


def _table(plan: Plan, files: list[str]) -> str:
  table = io.StringIO()
  rows = csv.writer(table, lineterminator='\n')
  rows.writerow(('file', 'class', 'label', 'seed', 'place', 'truncation', 'synthetic'))
  for row, file in enumerate(files):
    label = int(plan.labels[row]) if plan.model.num_classes else ''
    of_latent = plan.seeds[row], plan.places[row], f'{plan.truncation:g}'
    rows.writerow((f'images/{file}', cell(plan.class_name(row)), label, *of_latent, 'yes'))
  return table.getvalue()


def _readme(plan: Plan, said: str) -> str:
  lines = [
    'Synthetic images, made by a trained generator. They show nobody and nothing that there is.',
    said,
    '',
    *(f'{name}: {value}' for name, value in plan.whole_recipe().items() if value != said),
    f'Digital source type: {about.SYNTHETIC}',
    '',
    'labels.csv names class, seed and place of each image; audit/audit.html says what is known of',
    'their bias, their scope, and copies of training images among them.',
  ]
  return '\n'.join(lines) + '\n'
