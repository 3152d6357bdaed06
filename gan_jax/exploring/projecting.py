"""An image out of a browser, brought into the latents of a model."""

import math
from typing import NamedTuple

import numpy as np

from gan_jax.data import own_images
from gan_jax.data.ingest.picture import RefusedError
from gan_jax.errors import UserError
from gan_jax.exploring.painter import Painter, Projected
from gan_jax.latents import outside
from gan_jax.workdir import record


class Found(NamedTuple):
  """What was made of an image.

  Attributes:
    given: the image as the model would make it, `[H, W, C]`.
    found: what the model makes of the latent.
    projected: the latent.
    text: how far they are from each other, for people.
  """

  given: np.ndarray
  found: np.ndarray
  projected: Projected
  text: str


def project(painter: Painter, name: str, data: bytes) -> Found:
  """Projects the first image of a file, read and fitted as the model's dataset was.

  Args:
    painter: of the model.
    name: of the file.
    data: the file.

  Raises:
    UserError: where the file cannot be read.
  """
  model = painter.model
  noted = {}
  if model.config is not None:
    noted = record.read_circumstances(model.workdir).get('dataset', {})
  try:
    given = own_images.read_one(name, data, (*model.resolution, model.channels), model.dtype, noted)
  except RefusedError as error:
    raise UserError(f'{name}: {error}') from error
  projector = painter.projector
  found = projector.project(given[None])
  text = (
    f'pixel error {found.pixel_errors[0]:.1%} of the variance of {projector.likeness.of}; the '
    f'latent is {found.lengths[0]:.2f} times as long as that of a sample'
  )
  at = np.asarray(found.latents[0], np.float32)
  projected = Projected(at, int(found.labels[0]), float(found.distances[0]))
  return Found(given, found.images[0], projected, text)


def belonging(painter: Painter, projected: Projected) -> str:
  """Says whether a projected image lies outside what the model knows, by its conformal p-value.

  The first time the images that it is ranked among are projected, too, which takes longer.

  Args:
    painter: of the model that the image was projected into.
    projected: the image.

  Raises:
    UserError: where it came out of a file, so that the distance is not known.
  """
  if math.isnan(projected.distance):
    raise UserError('the image was not projected here; drop it again')
  name, references = painter.references
  (p,) = outside.p_values(np.array([projected.distance]), references)
  among = f'{len(references):,} {name}'
  if p > outside.FAR:
    return f'It is not shown to lie outside what the model knows: p = {p:.2g} among {among}.'
  share = f'{100 * (1 - outside.FAR):.0f} %'
  return f'It lies outside what the model knows: farther than {share} of {among}, p = {p:.2g}.'
