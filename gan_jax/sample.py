"""Writes images out of a trained generator."""

import math
import os

from PIL import Image

from gan_jax.errors import UserError
from gan_jax.sampling import outputs
from gan_jax.sampling.plan import Plan


def check_out(out: str, form: str, overwrite: bool, captions: bool = False) -> str:
  """Checks a place that samples go to, before they are drawn.

  Args:
    out: FILE.png, FILE.zip, FILE.npz, a folder, or DATA_DIR/NAME of a TFDS dataset.
    form: one of `outputs.FORMATS`, or '': by the ending of `out`.
    overwrite: write into a folder that has something in it, or replace a TFDS dataset.
    captions: write under each image of a grid what it is.

  Returns:
    The format.

  Raises:
    UserError: for a place that samples cannot go to.
  """
  chosen = outputs.format_of(out, form)
  ending = os.path.splitext(out)[1].lower()
  if not form and ending in Image.registered_extensions() and ending != '.png':
    raise UserError(f'--out={out}: accepted: FILE.png for a grid, FILE.zip, FILE.npz, or a folder')
  if chosen == 'folder' and os.path.isdir(out) and os.listdir(out) and not overwrite:
    raise UserError(
      f'--out={out}: there is something in it, which would be mixed with the samples; accepted: '
      'another folder, or --overwrite'
    )
  if chosen not in ('folder', 'tfds') and os.path.isdir(out):
    raise UserError(f'--out={out}: is a folder; accepted: a file for --format={chosen}')
  if captions and chosen != 'grid':
    raise UserError(f'--captions: are part of a grid; --out={out} is a {chosen}')
  return chosen


def write_samples(
  plan: Plan, out: str, form: str = '', *, captions: bool = False, overwrite: bool = False
) -> None:
  """Writes images; see `check_out` for the arguments, and `outputs` for what each format holds.

  Raises:
    UserError: for arguments out of range or a place that cannot be written.
  """
  chosen = check_out(out, form, overwrite, captions)
  if not math.isfinite(plan.truncation) or plan.truncation < 0:
    raise UserError(f'--truncation={plan.truncation}: accepted: numbers from 0')
  folder = outputs.beside(out, plan) if chosen == 'grid' else ''
  if os.path.isfile(folder) or (os.path.isdir(folder) and os.listdir(folder) and not overwrite):
    raise UserError(
      f'--out={out}: {folder} has something in it, where images larger than in the grid go in full '
      'size; accepted: another name, or --overwrite'
    )
  try:
    if chosen != 'folder':
      os.makedirs(os.path.dirname(out) or '.', exist_ok=True)
    outputs.write(out, chosen, plan, captions, overwrite)
  except OSError as error:
    raise UserError(f'--out={out}: cannot be written: {error.strerror}') from error
