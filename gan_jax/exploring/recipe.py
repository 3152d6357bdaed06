"""What pictures are made of, as the page asks for them and saved files say it.

    {"keyframes": [PICTURE, ...], "at": 0.5}     between the first and the second of some pictures
    PICTURE: {"all": SOURCE}                     or "coarse", "middle" and "fine", a source each
    SOURCE: {"seed": 3, "class": 7, "truncation": 0.8, "directions": {"pc1": 2.5}}

With `"projection": "p1"` instead of a seed it is an image that was projected. All is JSON, and read
within bounds.
"""

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from gan_jax.errors import UserError

GROUPS = 'coarse', 'middle', 'fine'
"""Of layers with a style, from the first on."""

MOST_PICTURES = 64
"""Pictures that may be asked for at once, and keyframes of a path."""

STRONGEST = 20.0
"""Of a direction, in standard deviations of the latents."""

MOST_DIRECTIONS = 64
"""Of a picture, and of a model."""

LONGEST_NAME = 200
"""Characters."""

_WHOLE = 'all'
_LARGEST_SEED = 2**32 - 1
_MOST_TRUNCATION = 2.0


class Source(NamedTuple):
  """One latent, and what is done with it.

  Attributes:
    seed: of the latent, the first that the seed draws.
    projection: of an image, by its name, instead of a seed; else ''.
    label: its class; 0 for an unconditional model.
    truncation: see `Model.images`.
    directions: names and strengths.
  """

  seed: int = 0
  projection: str = ''
  label: int = 0
  truncation: float = 1.0
  directions: tuple[tuple[str, float], ...] = ()


class Recipe(NamedTuple):
  """A picture: between keyframes, each of one source or of one for each of `GROUPS`.

  Attributes:
    keyframes: from one on.
    at: 0 the first keyframe, 1 the second.
  """

  keyframes: tuple[tuple[Source, ...], ...]
  at: float = 0.0


def loads(data: bytes) -> Any:
  """Reads JSON.

  Raises:
    UserError: for anything else, also for the NaN that Python's reader takes.
  """

  def refused(word: str) -> None:
    raise ValueError(word)

  try:
    return json.loads(data, parse_constant=refused)
  except (ValueError, RecursionError) as error:
    raise UserError(f'no JSON: {type(error).__name__}') from error


def read(value: Any, num_classes: int) -> Recipe:
  """Reads a recipe of a model with so many classes, 0: unconditional.

  Raises:
    UserError: where something is not as it should be: which, what was found, what is accepted.
  """
  fields = _fields(value, 'a recipe', ('keyframes', 'at'))
  frames = _list(fields.get('keyframes'), 'keyframes')
  at = _number(fields.get('at', 0), 'at', 0, len(frames) - 1)
  return Recipe(tuple(_picture(frame, num_classes) for frame in frames), at)


def read_all(value: Any, num_classes: int) -> list[Recipe]:
  """Reads a list of recipes; see `read`."""
  return [read(each, num_classes) for each in _list(value, 'recipes')]


def written(recipe: Recipe) -> dict[str, Any]:
  """A recipe as JSON has it: what `read` reads."""
  return {'keyframes': [_written_picture(frame) for frame in recipe.keyframes], 'at': recipe.at}


def projections(asked: Iterable[Recipe]) -> Iterator[str]:
  """The names of projected images in recipes."""
  for recipe in asked:
    for source in itertools.chain.from_iterable(recipe.keyframes):
      if source.projection:
        yield source.projection


def renamed(recipe: Recipe, names: Mapping[str, str]) -> Recipe:
  """The same with other names of projected images; those that are not in `names` stay."""
  change = lambda source: source._replace(
    projection=names.get(source.projection, source.projection)
  )
  return recipe._replace(
    keyframes=tuple(tuple(map(change, sources)) for sources in recipe.keyframes)
  )


def _written_picture(sources: tuple[Source, ...]) -> dict[str, Any]:
  names = GROUPS if len(sources) > 1 else (_WHOLE,)
  return {name: _written_source(source) for name, source in zip(names, sources, strict=True)}


def _written_source(source: Source) -> dict[str, Any]:
  start = {'projection': source.projection} if source.projection else {'seed': source.seed}
  directions = dict(source.directions)
  return {
    **start, 'class': source.label, 'truncation': source.truncation, 'directions': directions
  }  # fmt: skip


def _picture(value: Any, num_classes: int) -> tuple[Source, ...]:
  fields = _fields(value, 'a keyframe', (_WHOLE, *GROUPS))
  if set(fields) == {_WHOLE}:
    return (_source(fields[_WHOLE], num_classes),)
  if set(fields) != set(GROUPS):
    raise UserError(f'a keyframe: {", ".join(fields)}; accepted: {_WHOLE}, or {", ".join(GROUPS)}')
  return tuple(_source(fields[name], num_classes) for name in GROUPS)


def _source(value: Any, num_classes: int) -> Source:
  fields = _fields(value, 'a source', ('seed', 'projection', 'class', 'truncation', 'directions'))
  directions = fields.get('directions', {})
  if not isinstance(directions, dict) or len(directions) > MOST_DIRECTIONS:
    raise UserError(f'directions: accepted: at most {MOST_DIRECTIONS} names with numbers')
  return Source(
    _integer(fields.get('seed', 0), 'seed', _LARGEST_SEED),
    _name(fields.get('projection', ''), 'projection'),
    _integer(fields.get('class', 0), 'class', max(1, num_classes) - 1),
    _number(fields.get('truncation', 1), 'truncation', 0, _MOST_TRUNCATION),
    tuple(
      (
        _name(name, 'directions'),
        _number(strength, name[:LONGEST_NAME], -STRONGEST, STRONGEST),
      )
      for name, strength in directions.items()
    ),
  )


def _fields(value: Any, what: str, accepted: tuple[str, ...]) -> dict[str, Any]:
  if not isinstance(value, dict):
    raise UserError(f'{what}: found {_kind(value)}; accepted: an object')
  for name in value:
    if name not in accepted:
      raise UserError(f'{what}: {name[:LONGEST_NAME]!r}; accepted: {", ".join(accepted)}')
  return value


def _list(value: Any, what: str) -> list[Any]:
  if not isinstance(value, list) or not 1 <= len(value) <= MOST_PICTURES:
    found = f'{len(value)}' if isinstance(value, list) else _kind(value)
    raise UserError(f'{what}: found {found}; accepted: a list of 1 to {MOST_PICTURES}')
  return value


def _integer(value: Any, what: str, most: int) -> int:
  if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
    found = value if isinstance(value, int) and abs(value) < 1e15 else _kind(value)
    raise UserError(f'{what}={found}: accepted: whole numbers from 0 to {most}')
  return value


def _number(value: Any, what: str, least: float, most: float) -> float:
  good = isinstance(value, int | float) and not isinstance(value, bool)
  if not good or not least <= value <= most:
    found = f'{value:.6g}' if isinstance(value, float) else _kind(value)
    raise UserError(f'{what}={found}: accepted: numbers from {least:g} to {most:g}')
  return float(value)


def _name(value: Any, what: str) -> str:
  if not isinstance(value, str) or len(value) > LONGEST_NAME:
    raise UserError(f'{what}: accepted: a name of at most {LONGEST_NAME} characters')
  return value


def _kind(value: Any) -> str:
  return 'nothing' if value is None else f'a value of type {type(value).__name__}'
