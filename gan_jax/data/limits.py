"""What a dataset, and a model of it, may not be used for.

Every dataset of ours says so in its docstring, `Not for: …`; one made by `prepare` by `--not_for`.
Images of medicine are known by their format, or by a dataset's modality: what is made of them is
for no patient, whatever else is said.
"""

import re
from collections.abc import Mapping
from typing import Any

CLINICAL = 'Not for clinical use'
_MEDICAL = (
  'diagnosis, treatment or any decision about a patient; generated images show nobody, may repeat '
  'somebody of the training data, and may lack or invent findings'
)
_ANY = 'evidence of anything: a generated image shows no person, object or event that there is'


def of_dataset(description: str, metadata: Mapping[str, Any], dtype: str) -> dict[str, Any]:
  """What a dataset's record keeps of it.

  Args:
    description: of the dataset; `Not for: …` in it counts where the metadata say nothing.
    metadata: of its preparation.
    dtype: of its pixels: grey of 16 bits is of an instrument.

  Returns:
    `not_for`, text or ''; `medical`; `modality`, as DICOM has it, or ''.
  """
  modality = str(metadata.get('modality') or '')
  return {
    'not_for': str(metadata.get('not_for') or '') or _told(description),
    'medical': bool(metadata.get('medical')) or bool(modality) or dtype == 'uint16',
    'modality': modality,
  }


def _told(description: str) -> str:
  found = re.search(r'Not for:\s+(.*?)(?:\n\s*\n|\Z)', description or '', re.DOTALL)
  return ' '.join(found[1].split()) if found else ''


def sentences(dataset: Mapping[str, Any]) -> list[str]:
  """What may not be done, in sentences, from `dataset` of a run's record: for cards and files."""
  found = [f'Not for {_MEDICAL}.'] if dataset.get('medical') else []
  if own := str(dataset.get('not_for') or ''):
    found.append(f'The data are not for: {own.rstrip(".")}.')
  return [*found, f'Not for {_ANY}.']


def text(dataset: Mapping[str, Any]) -> str:
  """The same in one line."""
  return ' '.join(sentences(dataset))


def first_line(dataset: Mapping[str, Any]) -> str:
  """What commands say before anything else of images of medicine; '' of others."""
  if not dataset.get('medical'):
    return ''
  of = f'images of medicine ({modality})' if (modality := dataset.get('modality')) else (
    'images of medicine or of an instrument'
  )  # fmt: skip
  return f'! {CLINICAL}: {of}. Not for {_MEDICAL}'
