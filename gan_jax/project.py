"""Projects a user's images into a model's latents, and says how well and whether they belong."""

import csv
import io
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gan_jax import references, registry
from gan_jax.build import Datasets
from gan_jax.data import own_images
from gan_jax.data.ingest import fit
from gan_jax.data.own_images import OwnImages
from gan_jax.errors import UserError, nearest
from gan_jax.features.network import FeatureNetwork, Request
from gan_jax.latents import outside, stored
from gan_jax.latents.projection import Projections, Settings, Watch
from gan_jax.latents.stored import Latents
from gan_jax.sampling import film
from gan_jax.sampling.about import Recipe
from gan_jax.sampling.captions import captioned
from gan_jax.sampling.grid import laid_out, save_image, whole_file
from gan_jax.sampling.model import Model
from gan_jax.text import cell, say
from gan_jax.workdir import files, record

LATENTS, PICTURE, TABLE, ABOUT = FILES = (
  'latents.npz', 'projections.png', 'projections.csv', 'projections.json',
)  # fmt: skip
FILM = 'way.mp4'  # where it is asked for
POINTS = 30  # of each descent
_FPS, _HELD = 15, 15  # frames a second, and so many of the end
_OF_DATA = 1000  # training images that errors are shares of the variance of
_SHOWN, _ABREAST = 100, 10


class Asked(NamedTuple):
  """What a user asks of a projection.

  Attributes:
    space: 'z', 'w', 'w+', or '' for the model's best.
    classes: of the images, as text; '': they are found.
    folders: the folder that an image is in is its class.
    features: names of networks whose features are compared beside pixels.
    against: of `references.AGAINST`: what distances are ranked among; '': held-out images where
      there are any.
    references: so many of these; 0: no ranks.
    fit: of `fit.FITS`, or '' as the dataset was.
    data_dir: where the dataset is, if it was moved.
    follow_links: take what symbolic links lead to.
    settings: how long is searched.
  """

  space: str = ''
  classes: str = ''
  folders: bool = False
  features: tuple[str, ...] = ()
  against: str = ''
  references: int = 99
  fit: str = ''
  data_dir: str = ''
  follow_links: bool = False
  settings: Settings = Settings()


class Found(NamedTuple):
  """Images, what they were projected to, and how that is to be read.

  Attributes:
    own: the user's images.
    projections: of them.
    p_values: of each, `[N]`; None where no ranks were asked for.
    space: that the latents are of.
    class_names: of the model.
    about: how it was done, as JSON.
    recipe: of the model, for a film.
  """

  own: OwnImages
  projections: Projections
  p_values: np.ndarray | None
  space: str
  class_names: tuple[str, ...]
  about: dict[str, Any]
  recipe: Recipe


def check(asked: Asked) -> None:
  """Raises UserError for what no model could give."""
  if asked.against and asked.against not in references.AGAINST:
    raise UserError(f'--against={asked.against}: {nearest(asked.against, references.AGAINST)}')
  if asked.references < 0:
    raise UserError(f'--references={asked.references}: accepted: numbers from 0')
  if asked.fit and asked.fit not in fit.FITS:
    raise UserError(f'--fit={asked.fit}: {nearest(asked.fit, fit.FITS)}')
  if asked.classes and asked.folders:
    raise UserError(f'--classes={asked.classes} and --labels=folders: give one of them')


def project(
  model: Model,
  images: str,
  asked: Asked = Asked(),  # noqa: B008 - never changed
  watch: Watch = lambda what, done, total: None,
) -> Found:
  """Projects all images of a file, folder or archive.

  Args:
    model: into whose latents.
    images: what `sources.open_source` takes.
    asked: how.
    watch: called with what is done, how many of how many images.

  Raises:
    UserError: for images, classes, features or a space that cannot be used.
  """
  check(asked)
  own = own_images.read(
    images,
    '--images',
    (*model.resolution, model.channels),
    model.dtype,
    _noted(model),
    how=asked.fit,
    class_names=model.class_names,
    follow_links=asked.follow_links,
    watch=lambda done, total: watch('reading', done, total),
  )
  labels = _labels(model, own, asked)
  data, note = references.data_of(model, asked.data_dir, asked.against == references.HELD_OUT)
  networks = _networks(asked.features, data, note)
  some, of = None, ''
  if data is not None:
    rows = np.random.default_rng(0).permutation(len(data.train))[:_OF_DATA]
    some, of = data.train.fetch(np.sort(rows))['image'], f'{data.train.name}'
  projector = model.projector(
    asked.space, data=some, of=of, networks=networks, settings=asked.settings
  )
  projections = projector.project(own.images, labels, watch)
  against, distances = '', None
  if asked.references:
    found = references.drawn(model, data, asked.references, asked.against)
    say_so = lambda what, done, total: watch(f'{what} references', done, total)
    against, known = found.name, found.labels if labels is not None else None
    distances = projector.project(found.images, known, say_so, film=False).distances
  p_values = None if distances is None else outside.p_values(projections.distances, distances)
  about = {
    'model': model.workdir,
    'step': model.step,
    'space': projector.space.name,
    'features': list(asked.features),
    'shares_of_the_variance_of': projector.likeness.of,
    'classes': 'given' if labels is not None else 'found' if model.num_classes else 'none',
    'p_values_among': against,
    'references': 0 if distances is None else len(distances),
    'settings': asked.settings._asdict(),
    'notes': note,
    'refused': [list(each) for each in own.refused],
  }
  return Found(
    own, projections, p_values, projector.space.name, model.class_names, about, model.recipe()
  )


def write(found: Found, out: str) -> None:
  """Writes `FILES` into a folder, and `FILM` where the way was kept.

  `latents.npz` holds `z` or `w`, `labels` and `names`.

  Raises:
    UserError: where it cannot be written.
  """
  path = lambda name: os.path.join(out, name)
  try:
    os.makedirs(out, exist_ok=True)
    p, space = found.projections, 'z' if found.space == 'z' else 'w'
    with whole_file(path(LATENTS)) as file:
      stored.write_latents(file, Latents(space, p.latents, p.labels, found.own.names))
    both = np.concatenate([found.own.images, p.images], axis=1)[:_SHOWN]
    names = [_caption(found, number) for number in range(len(both))]
    save_image(path(PICTURE), captioned(both, min(_ABREAST, len(both)), names))
    text = io.StringIO()
    writer = csv.DictWriter(text, list(_row(found, 0)), lineterminator='\n')
    writer.writeheader()
    for number in range(len(found.own.names)):
      writer.writerow({name: cell(value) for name, value in _row(found, number).items()})
    files.write_atomically(path(TABLE), text.getvalue())
    rows = [_row(found, number) for number in range(len(found.own.names))]
    files.write_json(path(ABOUT), {**found.about, 'images': rows})
    if p.way is not None:
      _write_film(found, p.way, path(FILM))
  except OSError as error:
    raise UserError(f'--out={out}: cannot be written: {error.strerror}') from error


def _write_film(found: Found, way: np.ndarray, path: str) -> None:
  """Writes images, each over its projection in the making, side by side."""
  given = found.own.images[: len(way)]
  columns = max(1, round(len(way) ** 0.5))
  height, width = given.shape[1:3]
  frames = [
    laid_out(np.concatenate([given, way[:, point]], axis=1), columns)
    for point in range(way.shape[1])
  ]
  times = film.factor(path, (2 * height, width), None, columns)
  held = [frames[-1]] * _HELD
  film.write_film(path, iter([*frames, *held]), times, _FPS, False, found.recipe)


def show(found: Found) -> None:
  """Says how far the images are from what was found, and which lie outside."""
  errors = found.projections.pixel_errors
  say(
    f'{len(errors):,} images in {found.space}: pixel error {np.median(errors):.2%} of the variance '
    f'of {found.about["shares_of_the_variance_of"]} (median), {errors.max():.2%} at most'
  )
  for name, reason in found.about['refused']:
    say(f'not read: {name}: {reason}')
  if found.p_values is not None:
    among = f'{found.about["references"]:,} {found.about["p_values_among"]}'
    far = np.sum(found.p_values <= outside.FAR)
    if found.about['references'] + 1 < 1 / outside.FAR:
      say(f'{among} are too few to tell what is farther than 95 % of such')
    else:
      say(f'{far:,} of them are farther than 95 % of {among}')
  for note in found.about['notes']:
    say(note)


def _caption(found: Found, number: int) -> str:
  """What stands under an image and its projection: the error, and the class that was found."""
  error = f'{found.projections.pixel_errors[number]:.1%}'
  found_class = found.about['classes'] == 'found'
  return f'{_row(found, number)["class"]}, {error}' if found_class else error


def _row(found: Found, number: int) -> dict[str, Any]:
  """What is said of an image."""
  p, names = found.projections, found.class_names
  label = int(p.labels[number])
  row: dict[str, Any] = {'name': found.own.names[number]}
  if found.about['classes'] != 'none':
    row['class'] = names[label] if names else label
  row |= {
    'pixel_error': float(p.pixel_errors[number]),
    'distance': float(p.distances[number]),
    'length': float(p.lengths[number]),
  }
  return row if found.p_values is None else row | {'p_value': float(found.p_values[number])}


def _noted(model: Model) -> Mapping[str, Any]:
  """What the preparation of a run's dataset noted."""
  if model.config is None:
    return {}
  return record.read_circumstances(model.workdir).get('dataset', {})


def _labels(model: Model, own: OwnImages, asked: Asked) -> np.ndarray | None:
  """The classes of the images, where they are given."""
  if not (asked.classes or asked.folders):
    return None
  if not asked.folders:
    return model.labels(len(own.images), asked.classes)
  names, known = model.class_names, {name: n for n, name in enumerate(model.class_names)}
  for name, folder in zip(own.names, own.folders, strict=True):
    if folder not in known:
      where = f'is in folder {folder!r}' if folder else 'is in no folder of a class'
      raise UserError(f'--labels=folders: {name} {where}; {nearest(folder, names)}')
  return np.array([known[folder] for folder in own.folders], np.int32)


def _networks(
  names: Sequence[str], data: Datasets | None, note: Sequence[str]
) -> list[FeatureNetwork]:
  if names and data is None:
    raise UserError(f'--features={",".join(names)}: needs the data of the run; {note[0]}')
  found = []
  for name in names:
    module = registry.find('features', name, 'features')
    if module.TAKES_WEIGHTS:
      raise UserError(f'--features={name}: comes without weights; accepted: those that have them')
    assert data is not None
    request = Request(*data)
    getattr(module, 'check', lambda request: None)(request)
    found.append(module.load(request))
  return found
