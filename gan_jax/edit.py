"""Finds directions in a model's latents, shows them on a sheet, and moves images along them."""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from gan_jax import build, registry
from gan_jax.data import attributes as kept_attributes
from gan_jax.data import by_name
from gan_jax.errors import UserError, nearest
from gan_jax.features.network import FeatureNetwork, Request
from gan_jax.latents import attributes, stored
from gan_jax.latents import directions as of_latents
from gan_jax.latents.directions import Directions, moved
from gan_jax.latents.projection import Watch
from gan_jax.latents.space import coordinates, default, open_space
from gan_jax.latents.stored import Latents
from gan_jax.sampling.captions import captioned
from gan_jax.sampling.grid import save_image, whole_file
from gan_jax.sampling.latent_file import read_latents
from gan_jax.sampling.model import Model
from gan_jax.workdir import files

BY = ('components', 'weights', 'classes', 'attributes')
SHEET, DIRECTIONS, EDITED, EDITED_SHEET, ABOUT = (
  'sheet.png', 'directions.npz', 'edited.npz', 'edited.png', 'directions.json',
)  # fmt: skip
_LEARNT_FROM = 5_000  # images of the dataset
_ABREAST = 10


class Asked(NamedTuple):
  """What a user asks of an edit.

  Attributes:
    by: of `BY`: how directions are found.
    most: directions, of components and weights.
    directions: file of directions found before, instead.
    latents: file of what is moved, such as projections; '': samples.
    seed: of samples.
    samples: so many, or so many of the file on the sheet.
    classes: of samples, as text.
    strengths: columns of the sheet, standard deviations of the latents.
    move: direction and strength, in turn.
    layers: FIRST:END of w that are moved; '': all.
    features: the network that attributes are learnt by.
    data_dir: where the dataset is, if it was moved.
  """

  by: str = 'components'
  most: int = 8
  directions: str = ''
  latents: str = ''
  seed: int = 0
  samples: int = 4
  classes: str = ''
  strengths: tuple[float, ...] = (-4.0, -2.0, 0.0, 2.0, 4.0)
  move: tuple[tuple[str, float], ...] = ()
  layers: str = ''
  features: str = 'efficientnet_lite0'
  data_dir: str = ''


class Edit(NamedTuple):
  """Latents, directions, and the pictures of them.

  Attributes:
    start: what is moved.
    directions: along which; empty where the class goes in by the label alone.
    sheet: images `[directions · images · strengths, H, W, C]`.
    captions: of each.
    columns: of the sheet.
    edited: what `move` makes of the latents; None where none was asked for.
    before: images of the latents, where they were moved.
    after: images of the moved ones.
    about: accuracies and shares by direction, as JSON.
  """

  start: Latents
  directions: Directions | None
  sheet: np.ndarray
  captions: list[str]
  columns: int
  edited: Latents | None
  before: np.ndarray | None
  after: np.ndarray | None
  about: dict[str, Any]


def check(asked: Asked) -> None:
  """Raises UserError for what no model could give."""
  if asked.by not in BY:
    raise UserError(f'--by={asked.by}: {nearest(asked.by, BY)}')
  for name, value in (('count', asked.most), ('samples', asked.samples)):
    if value < 1:
      raise UserError(f'--{name}={value}: accepted: numbers from 1')
  if not asked.strengths or not np.isfinite(asked.strengths).all():
    raise UserError(f'--strengths={asked.strengths}: accepted: finite numbers, such as -2,0,2')


def edit(
  model: Model,
  asked: Asked = Asked(),  # noqa: B008 - never changed
  watch: Watch = lambda what, done, total: None,
) -> Edit:
  """Finds or reads directions, and moves latents along each of them.

  Args:
    model: whose latents.
    asked: what.
    watch: called with what is done, how many of how many images.

  Raises:
    UserError: for what the model, a file or the data cannot give.
  """
  check(asked)
  space = default(model.generator)
  start = _start(model, asked, space)
  layers = _layers(asked.layers, start.values)
  directions, about = _directions(model, asked, space, watch)
  shown = start.first(asked.samples)
  if directions is None:
    sheet, captions = _class_sheet(model, shown, watch)
    columns = len(shown.labels) * len(_SHARES)
  else:
    sheet, captions = _sheet(model, shown, directions, asked.strengths, layers, watch)
    columns = len(shown.labels) * len(asked.strengths)
  edited = before = after = None
  if asked.move:
    edited = move(model, start, directions, asked.move, layers)
    before, after = images_of(model, start), images_of(model, edited)
  return Edit(start, directions, sheet, captions, columns, edited, before, after, about)


def images_of(model: Model, latents: Latents, weights: np.ndarray | None = None) -> np.ndarray:
  """Images of latents, with the same noise for all; `weights` `[N, classes]` mix classes."""
  if latents.space == 'w':
    return model.images_of_styles(latents.values)
  labels = latents.labels if weights is None else weights
  return model.images(latents.values, labels, fixed_noise=True)


def move(
  model: Model,
  latents: Latents,
  directions: Directions | None,
  moves: Sequence[tuple[str, float]],
  layers: slice = slice(None),
) -> Latents:
  """Latents moved along directions by name; `class=NAME` of a model without w changes the label.

  Raises:
    UserError: for a name that is none.
  """
  for name, strength in moves:
    label = _label(model, name) if latents.space == 'z' else None
    if directions is not None and (name in directions.names or label is None):
      vector = directions.vector(name)
      latents = latents._replace(values=moved(latents.values, vector, strength, layers))
      continue
    if label is None:
      known = [f'class={model.class_name(n)}' for n in range(model.num_classes)]
      raise UserError(f'--move={name}: unknown; {nearest(name, known)}')
    latents = latents._replace(labels=np.full_like(latents.labels, label))
  return latents


def write(edit: Edit, out: str) -> list[str]:
  """Writes the sheet, directions, and what was moved, into a folder; returns the paths.

  Raises:
    UserError: where it cannot be written.
  """
  paths = {
    name: os.path.join(out, name) for name in (SHEET, DIRECTIONS, ABOUT, EDITED, EDITED_SHEET)
  }
  written = [SHEET]
  try:
    os.makedirs(out, exist_ok=True)
    save_image(paths[SHEET], captioned(edit.sheet, edit.columns, edit.captions))
    if edit.directions is not None:
      with whole_file(paths[DIRECTIONS]) as file:
        stored.write_directions(file, edit.directions)
      files.write_json(paths[ABOUT], edit.about)
      written += [DIRECTIONS, ABOUT]
    if edit.edited is not None and edit.before is not None and edit.after is not None:
      with whole_file(paths[EDITED]) as file:
        stored.write_latents(file, edit.edited)
      both = np.concatenate([edit.before, edit.after], axis=1)
      columns = min(_ABREAST, len(both))
      save_image(paths[EDITED_SHEET], captioned(both, columns, edit.start.names))
      written += [EDITED, EDITED_SHEET]
  except OSError as error:
    raise UserError(f'--out={out}: cannot be written: {error.strerror}') from error
  return [paths[name] for name in written]


def _start(model: Model, asked: Asked, space: str) -> Latents:
  """The latents that are moved: of a file, or samples; of a model with a mapping, w."""
  if asked.latents:
    z, w, labels = read_latents(asked.latents, model)
    values = z if w is None else w
    assert values is not None
    given = np.zeros(len(values)) if labels is None else labels
    names = tuple(map(str, range(len(values))))
    found = Latents('z' if w is None else 'w', values, given.astype(np.int32), names)
  else:
    labels = model.labels(asked.samples, asked.classes)
    names = tuple(f'{asked.seed}/{number}' for number in range(asked.samples))
    found = Latents('z', model.latents(asked.samples, seed=asked.seed), labels, names)
  if space == 'w' and found.space == 'z':
    found = found._replace(space='w', values=model.styles(found.values, found.labels))
  return found


def _directions(
  model: Model, asked: Asked, name: str, watch: Watch
) -> tuple[Directions | None, dict[str, Any]]:
  """The directions asked for, and what is said of them; None where classes go in by the label."""
  space = open_space(model.generator, name)
  if asked.directions:
    where = f'--directions={asked.directions}'
    found = stored.read_directions(asked.directions, where, name, space.size)
    return found, _said(found, asked.directions)
  if asked.by == 'classes' and model.num_classes and name == 'z':
    return None, {}
  watch('finding directions', 0, 0)
  learnt = coordinates(space, model.variables)
  if asked.by == 'components':
    found = of_latents.components(space, model.variables, learnt, asked.most, asked.seed)
  elif asked.by == 'weights':
    found = of_latents.weights(space, model.variables, learnt, asked.most, asked.seed)
  elif asked.by == 'classes' and model.num_classes:
    found = of_latents.between_classes(space, learnt, model.class_names)
  else:
    drawn = of_latents.draw(space, model.variables, seed=asked.seed)
    answers, accuracies = _answers(model, asked, drawn, watch)
    found = of_latents.separating(space, learnt, drawn, answers)
    return found, {**_said(found, asked.by), 'accuracies': accuracies, 'features': asked.features}
  return found, _said(found, asked.by)


def _said(directions: Directions, by: str) -> dict[str, Any]:
  shares = [None if np.isnan(share) else float(share) for share in directions.shares]
  return {
    'by': by,
    'space': directions.space,
    'shares': dict(zip(directions.names, shares, strict=True)),
  }


def _answers(
  model: Model, asked: Asked, drawn: of_latents.Draws, watch: Watch
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
  """What predictors of classes or attributes answer of drawn images, and how right they are."""
  if model.config is None:
    raise UserError(f'--by={asked.by}: needs the data of a run; accepted: components, weights')
  if asked.data_dir:
    model.config.dataset.data_dir = asked.data_dir
  section, data = model.config.dataset, build.datasets(model.config)
  rows = np.random.default_rng(0).permutation(len(data.train))[:_LEARNT_FROM]
  if asked.by == 'classes':
    if not data.train.num_classes:
      raise UserError(f'--by=classes: {data.train.name} has none; accepted: components, weights')
    labels = data.train.labels(rows)
    questions = {
      f'class={name}': (labels == number).astype(float)
      for number, name in enumerate(data.train.class_names)
    }
  else:
    builder = by_name.open_builder(section.name, section.data_dir)
    questions = attributes.questions(kept_attributes.read(builder, section.split, rows))
    if not questions:
      raise UserError(
        f'--by=attributes: {data.train.name} has none that tell images apart; `launch.py prepare` '
        'keeps the columns of a label file'
      )
  network = registry.find('features', asked.features, 'features').load(Request(*data))
  seen = _features(network, [data.train.fetch(part)['image'] for part in _parts(rows)])
  latents = Latents('z', drawn.latents, drawn.labels, ())
  images = [
    images_of(model, latents._replace(values=drawn.latents[p], labels=drawn.labels[p]))
    for p in _parts(np.arange(len(drawn.labels)))
  ]
  own = _features(network, images)
  answers, accuracies = {}, {}
  for number, (name, known) in enumerate(questions.items()):
    watch('learning attributes', number, len(questions))
    predictor = attributes.predictor(seen, known, name)
    answers[name], accuracies[name] = predictor(own), predictor.accuracy
  return answers, accuracies


def _parts(rows: np.ndarray) -> list[np.ndarray]:
  return [rows[n : n + 100] for n in range(0, len(rows), 100)]


def _features(network: FeatureNetwork, parts: Sequence[np.ndarray]) -> np.ndarray:
  apply: Any = jax.jit(network.apply)
  return np.concatenate([np.asarray(apply(network.params, part)[0]) for part in parts])


_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def _sheet(
  model: Model,
  start: Latents,
  directions: Directions,
  strengths: Sequence[float],
  layers: slice,
  watch: Watch,
) -> tuple[np.ndarray, list[str]]:
  """A row a direction; in it every image at every strength."""
  rows, captions = [], []
  for number, (name, vector) in enumerate(zip(directions.names, directions.vectors, strict=True)):
    watch('drawing directions', number, len(directions.names))
    at = [
      images_of(model, start._replace(values=moved(start.values, vector, strength, layers)))
      for strength in strengths
    ]
    rows.append(np.stack(at, axis=1))
    # The number first: a long line is cut at its end.
    captions += [f'{strength:+g} {name}' for _ in start.labels for strength in strengths]
  return np.concatenate([image for row in rows for image in row]), captions


def _class_sheet(model: Model, start: Latents, watch: Watch) -> tuple[np.ndarray, list[str]]:
  """A row a class; in it every image on its way from its own class to that one."""
  one_hot, rows, captions = np.eye(model.num_classes, dtype=np.float32), [], []
  for label in range(model.num_classes):
    watch('drawing classes', label, model.num_classes)
    own, to = one_hot[start.labels], one_hot[label]
    at = [images_of(model, start, (1 - share) * own + share * to) for share in _SHARES]
    rows.append(np.stack(at, axis=1))
    captions += [
      f'{share:.0%} {model.class_name(int(each))} to {model.class_name(label)}'
      for each in start.labels
      for share in _SHARES
    ]
  return np.concatenate([image for row in rows for image in row]), captions


def _label(model: Model, name: str) -> int | None:
  """The class that a name of a direction is of, of a conditional model."""
  known = {f'class={model.class_name(number)}': number for number in range(model.num_classes)}
  return known.get(name)


def _layers(text: str, values: np.ndarray) -> slice:
  """Reads `--layers`."""
  if not text:
    return slice(None)
  first, colon, end = text.partition(':')
  count = values.shape[1] if values.ndim == 3 else 0
  numbers = [int(part) if part.isdecimal() else -1 for part in (first or '0', end or str(count))]
  if not colon or not 0 <= numbers[0] < numbers[1] <= count:
    accepted = f'FIRST:END within 0:{count}' if count else 'none, of a model without layers of w'
    raise UserError(f'--layers={text}: accepted: {accepted}')
  return slice(*numbers)
