"""Directions of one model that pictures are moved along: those found in it, and those loaded."""

import functools
from typing import BinaryIO

from gan_jax.errors import UserError
from gan_jax.exploring.recipe import LONGEST_NAME, MOST_DIRECTIONS
from gan_jax.latents import directions, stored
from gan_jax.latents import space as spaces
from gan_jax.latents.directions import Directions
from gan_jax.sampling.model import Model

_FOUND = 8  # of a kind


class Sliders:
  """Finds directions when they are first asked for, and takes those of a file beside them."""

  def __init__(self, model: Model):
    """Finds nothing yet."""
    self._model = model
    self._space = spaces.open_space(model.generator, '')
    self._loaded: Directions | None = None

  @property
  def directions(self) -> Directions:
    """Those found, then those loaded."""
    return self._found if self._loaded is None else self._found + self._loaded

  def load(self, file: BinaryIO, name: str) -> tuple[str, ...]:
    """Takes the directions in a file of `edit`, such as of classes or attributes.

    They take the place of those that were loaded before.

    Args:
      file: open.
      name: of the file, for messages.

    Returns:
      Their names.

    Raises:
      UserError: for a file of none, of too many, or of other latents.
    """
    found = stored.read_directions(file, name, self._space.name, self._space.size)
    known = self._found.names
    most = MOST_DIRECTIONS - len(known)
    if not 0 < len(found.names) <= most or max(map(len, found.names)) > LONGEST_NAME:
      raise UserError(
        f'{name}: {len(found.names)} directions; accepted: 1 to {most}, with names of at most '
        f'{LONGEST_NAME} characters'
      )
    if len({*known, *found.names}) < len(known) + len(found.names):
      raise UserError(f'{name}: names of directions are there twice, or are here already')
    self._loaded = found
    return found.names

  @functools.cached_property
  def _found(self) -> Directions:
    model = self._model
    of = self._space, model.variables, spaces.coordinates(self._space, model.variables)
    found = directions.components(*of, _FOUND)
    # Of a layer that is affine in z they would be the same.
    return found + directions.weights(*of, _FOUND) if model.has_styles else found
