"""A model card: what a generator was trained on, how good it was found to be, how to load it.

Markdown with the metadata that Hugging Face's hub reads in front (YAML). All of it comes from the
run's record; nothing is claimed that was not measured.
"""

import json
import math
import os
import re
from typing import Any, NamedTuple

import yaml

from gan_jax.data import limits
from gan_jax.errors import UserError
from gan_jax.share import folder
from gan_jax.workdir import record

_LICENCE = re.compile(r'[a-z0-9][a-z0-9.-]{0,40}')
_LEVEL = '95 %'
_NAMED = 40  # classes in the card
NO_DATA_LICENCE, NO_LICENCE = 'not known; ask whoever gave it', 'not stated'
_ESCAPED = str.maketrans(
  {c: f'\\{c}' for c in '\\`*_|[]#'} | {'<': '&lt;', '>': '&gt;', '&': '&amp;'}
)


class Score(NamedTuple):
  """A score with its interval and that of held-out real images, as the record has it."""

  name: str
  metric: str
  value: float
  low: float
  high: float
  floor: float | None
  n: int
  n_real: int


class About(NamedTuple):
  """What a card tells.

  Attributes:
    name: of the folder.
    architecture: as `config.model.name`.
    shape: height, width, channels.
    dtype: of the images.
    latent_size: length of a latent.
    num_classes: that can be asked for; 0: unconditional.
    class_names: in the order of the labels, or empty.
    truncates: truncation goes to the mean of w, rather than scaling latents.
    step: of the checkpoint.
    images: real images shown before it.
    weights: values that the generator learnt.
    dataset: `dataset` of `run.json`.
    data_licence: of the images that it was trained on, or ''.
    licence: of the weights, or ''.
    versions: of what it was trained with, by package.
    opens: this package can open the folder: it holds all that is needed.
    scores: of this checkpoint.
    audits: of the run, as `audit.json` has them.
    onnx: the folder holds an ONNX model.
    page: the folder holds a page that draws.
  """

  name: str
  architecture: str
  shape: tuple[int, int, int]
  dtype: str
  latent_size: int
  num_classes: int
  class_names: tuple[str, ...]
  truncates: bool
  step: int
  images: int
  weights: int
  dataset: dict[str, Any]
  data_licence: str
  licence: str
  versions: dict[str, str]
  opens: bool
  scores: list[Score]
  audits: list[dict[str, Any]]
  onnx: bool = False
  page: bool = False


def check_licence(licence: str) -> None:
  """Raises UserError for what is no identifier of a licence."""
  if licence and not _LICENCE.fullmatch(licence):
    raise UserError(
      f'--licence={licence}: accepted: an identifier as Hugging Face has them, such as mit, '
      'apache-2.0, cc-by-4.0, other'
    )


def scores(workdir: str, step: int) -> list[Score]:
  """The scores of a checkpoint: those of `evaluate`, and those of training that it has not."""
  found = {score.name: score for score in _of_evaluation(workdir, step)}
  known = {score.name.removesuffix(f'_n{score.n}') for score in found.values()}
  for line in record.read_metrics(workdir, 'scores'):
    if line['step'] == step:
      found |= {s.name: s for s in _of_line(line) if s.name not in known}
  return list(found.values())


def audits(workdir: str) -> list[dict[str, Any]]:
  """What audits of the run found, or nothing where there were none."""
  path = os.path.join(workdir, 'audit', 'audit.json')
  found = _json(path).get('audits')
  return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def text(about: About) -> str:
  """The card."""
  front = yaml.safe_dump(metadata(about), sort_keys=False, allow_unicode=True, width=100)
  parts = [
    _what(about), _load(about), _data(about), _scores(about), _audits(about), _limits(about),
    _training(about),
  ]  # fmt: skip
  return f'---\n{front}---\n\n' + '\n'.join('\n'.join(lines) + '\n' for lines in parts if lines)


def metadata(about: About) -> dict[str, Any]:
  """What stands in front, in Hugging Face's terms."""
  data = str(about.dataset.get('name', 'unknown'))
  task = {'type': 'unconditional-image-generation', 'name': 'Image generation'}
  kind = ['class-conditional'] if about.num_classes else []
  found: dict[str, Any] = {'license': about.licence} if about.licence else {}
  found |= {
    'library_name': 'gan_jax',
    'pipeline_tag': task['type'],
    'tags': ['gan', 'image-generation', 'jax', 'stablehlo', about.architecture, *kind],
  }
  if about.scores:
    results = [
      {
        'task': dict(task),  # a copy: YAML would refer to the first one
        'dataset': {'name': data, 'type': data},
        'metrics': [
          {
            'type': score.metric,
            'name': f'{score.name} ({_LEVEL} interval {score.low:.4g} to {score.high:.4g})',
            'value': round(score.value, 6),
          }
        ],
      }
      for score in about.scores
    ]
    found['model-index'] = [{'name': about.name, 'results': results}]
  return found


def summary(about: About) -> str:
  """What the generator is, in a sentence or two."""
  height, width, channels = about.shape
  kind = {1: 'grey', 3: 'RGB', 4: 'RGBA'}[channels]
  bits = ' of 16 bits' if about.dtype == 'uint16' else ''
  classes = f'{about.num_classes} classes' if about.num_classes else 'no classes'
  return (
    f'A generator of {kind} images{bits}, {width}×{height} pixels, {classes}: architecture '
    f'{about.architecture}, {about.weights:,} weights, latents of {about.latent_size} numbers, '
    f'after {about.images:,} real images.'
  )


def class_name(about: About, label: int) -> str:
  """The name of a class, or its number."""
  return about.class_names[label] if label < len(about.class_names) else str(label)


def limits_of(about: About) -> list[str]:
  """What the model is not for, and what may be wrong with its images, in sentences."""
  height, width, _ = about.shape
  return [
    'It draws what its training data show, with their gaps and their bias, and nothing else.',
    'It may repeat training images; unless an audit speaks of it, none were looked for.',
    f'Nothing finer than {width}×{height} pixels was learnt; enlarged, it is only larger.',
    *limits.sentences(about.dataset),
  ]


def _what(about: About) -> list[str]:
  lines = [
    f'# {_plain(about.name)}',
    '',
    f'{_plain(summary(about))} Its images are synthetic.',
    '',
    f'![Samples, not selected]({folder.SAMPLES})',
  ]
  if about.num_classes and about.class_names:
    named = [f'{n} {_plain(name)}' for n, name in enumerate(about.class_names[:_NAMED])]
    more = len(about.class_names) - _NAMED
    lines += ['', 'Classes: ' + ', '.join(named) + (f' and {more} more.' if more > 0 else '.')]
  return lines


def _load(about: About) -> list[str]:
  own = [
    '```python',
    'import gan_jax',
    'model = gan_jax.open("FOLDER")  # this folder',
    'images = model.sample(16, seed=0)  # uint8 or uint16, [N, H, W, C]',
    '```',
    '',
  ]
  labels = f'np.arange(16, dtype=np.int32) % {about.num_classes}' if about.num_classes else (
    'np.zeros(16, np.int32)  # it has no classes'
  )  # fmt: skip
  truncation = 'on the way to the mean of w' if about.truncates else 'a factor on the latents'
  lines = ['## Load', '', *(own if about.opens else [])]
  lines += [
    'Without gan_jax, by `pip install jax flatbuffers safetensors` on a CPU, GPU or TPU:',
    '',
    '```python',
    'import numpy as np',
    'from jax import export',
    'from safetensors.numpy import load_file',
    '',
    f'program = export.deserialize(open("{folder.PROGRAM}", "rb").read())',
    f'weights = load_file("{folder.GENERATOR}")',
    f'latents = np.random.default_rng(0).standard_normal((16, {about.latent_size}), np.float32)',
    f'labels = {labels}',
    f'truncation = np.float32(1.0)  # {truncation}',
    'images = np.asarray(program.call(weights, latents, labels, truncation))',
    '```',
  ]
  if about.onnx:
    lines += [
      '',
      'By `pip install onnxruntime`, and wherever else ONNX is run; noise within the generator is '
      'the same for all images there:',
      '',
      '```python',
      'import numpy as np',
      'import onnxruntime',
      '',
      f'session = onnxruntime.InferenceSession("{folder.ONNX}")',
      f'latents = np.random.default_rng(0).standard_normal((16, {about.latent_size}), np.float32)',
      f'labels = {labels}',
      'given = {"latents": latents, "labels": labels, "truncation": np.array(1, np.float32)}',
      '(images,) = session.run(None, given)',
      '```',
    ]
  if about.page:
    lines += [
      '',
      f'[{folder.PAGE}]({folder.PAGE}) draws in a browser: it opens from a disk, takes no server '
      'and asks nobody for anything.',
    ]
  fine = '`--config.init.from=FOLDER` starts a training from both networks.'
  return [*lines, *(['', fine] if about.opens else [])]


def _data(about: About) -> list[str]:
  data = about.dataset
  name = _plain(str(data.get('full_name') or data.get('name', 'unknown')))
  prints = ', '.join(f'{_plain(k)} {_plain(str(v))}' for k, v in _items(data, 'fingerprints'))
  return [
    '## Data',
    '',
    f'Dataset {name}' + (f'; fingerprints: {prints}.' if prints else '.'),
    '',
    f'Licence of the data: {_plain(about.data_licence) or NO_DATA_LICENCE}.',
    f'Licence of the weights: {about.licence or NO_LICENCE}. What may be done with a model can '
    'depend on both.',
  ]


def _scores(about: About) -> list[str]:
  lines = ['## Scores', '']
  if not about.scores:
    return [*lines, 'None were computed for this checkpoint.']
  lines += [
    f'| score | value | {_LEVEL} interval | held-out real images | generated, real |',
    '|---|---|---|---|---|',
  ]
  for score in about.scores:
    floor = '-' if score.floor is None else f'{score.floor:.4g}'
    lines.append(
      f'| {_plain(score.name)} | {score.value:.4g} | {score.low:.4g} to {score.high:.4g} | '
      f'{floor} | {score.n:,}, {score.n_real:,} |'
    )
  return [
    *lines,
    '',
    'The floor is the same score of real images that were kept from training: no generator can be '
    'expected beyond it. Scores by other features, resizing or numbers are not comparable.',
  ]


def _audits(about: About) -> list[str]:
  lines = ['## Audits', '']
  if not about.audits:
    return [*lines, 'None were run: nothing is known of copies of training images or of who is '
            'left out.']  # fmt: skip
  for audit in about.audits:
    lines += [f'**{_plain(str(audit.get("title", audit.get("name", ""))))}**', '']
    for sentence in audit.get('sentences', []):
      if isinstance(sentence, dict):
        lines.append(f'- {_plain(str(sentence.get("level", "")))}: '
                     f'{_plain(str(sentence.get("text", "")))}')  # fmt: skip
    lines.append('')
  return lines[:-1]


def _limits(about: About) -> list[str]:
  return ['## Limits', '', *(f'- {_plain(sentence)}' for sentence in limits_of(about))]


def _training(about: About) -> list[str]:
  versions = ', '.join(f'{name} {version}' for name, version in about.versions.items())
  return [
    '## Training',
    '',
    f'gan_jax, checkpoint of step {about.step:,}; every setting is in `{folder.CONFIG}`. '
    f'The weights are the moving average. {versions}'.rstrip(),
  ]


def _of_evaluation(workdir: str, step: int) -> list[Score]:
  rows = _json(os.path.join(workdir, 'evaluation', 'scores.json')).get('rows')
  found = []
  for row in rows if isinstance(rows, list) else []:
    for score in row['scores'] if row.get('step') == step else ():
      floor = (score.get('floor') or {}).get('value')
      numbers = (score['value'], score['low'], score['high'])
      if all(isinstance(n, int | float) and math.isfinite(n) for n in numbers):
        found.append(
          Score(score['name'], score['metric'], *numbers, floor, score['n'], score['n_real'])
        )
  return found


def _of_line(line: dict[str, Any]) -> list[Score]:
  return [
    Score(
      *(key, key, value, line[f'{key}_low'], line[f'{key}_high'], line.get(f'floor_{key}')),
      *(line.get('n_fake', 0), line.get('n_real', 0)),
    )
    for key, value in line.items()
    if f'{key}_low' in line and f'{key}_high' in line
  ]


def _json(path: str) -> dict[str, Any]:
  """An object of JSON of the run's own, or {} where there is none."""
  try:
    with open(path, encoding='utf-8') as file:
      found = json.load(file)
  except FileNotFoundError:
    return {}
  except (OSError, ValueError) as error:
    raise UserError(f'{path}: cannot be read ({" ".join(str(error).split())})') from error
  return found if isinstance(found, dict) else {}


def _items(tree: dict[str, Any], key: str) -> list[tuple[str, Any]]:
  found = tree.get(key)
  return list(found.items()) if isinstance(found, dict) else []


def _plain(text: str) -> str:
  """Text that is no markup, on one line."""
  return ' '.join(text.split()).translate(_ESCAPED)
