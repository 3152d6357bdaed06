"""The models that a page shows, opened when they are first looked at, and what was projected."""

import collections
import io
import os
from collections.abc import Sequence
from typing import NamedTuple

from gan_jax import opening
from gan_jax.errors import UserError
from gan_jax.exploring.painter import AT_ONCE, Painter, Projected
from gan_jax.workdir.checkpoint import Checkpointer

_MOST_OPEN = 4
_MOST_PROJECTED = 1000


class Entry(NamedTuple):
  """A model that can be shown.

  Attributes:
    path: workdir of a run, or what else can be opened.
    step: of its checkpoint; None where there are none to choose from.
    images: shown in training before it, or None.
  """

  path: str
  step: int | None = None
  images: int | None = None


class Gallery:
  """Models by their place in a list, opened when they are asked for; a few stay open."""

  def __init__(self, entries: Sequence[Entry]):
    """Opens nothing yet."""
    self.entries = tuple(entries)
    self._open: collections.OrderedDict[int, Painter] = collections.OrderedDict()
    self._projected: dict[str, Projected] = {}
    self._loaded: dict[int, tuple[bytes, str]] = {}  # directions, also of models closed meanwhile

  def painter(self, place: int) -> Painter:
    """The painter of a model, compiled.

    Raises:
      UserError: for a place without one, or a model that cannot be opened.
    """
    if place not in range(len(self.entries)):
      raise UserError(f'model={place}: accepted: 0 to {len(self.entries) - 1}')
    if place not in self._open:
      entry = self.entries[place]
      model = opening.open_model(entry.path, entry.step, AT_ONCE)
      painter = Painter(model, self.projected)
      painter.warm()
      if place in self._loaded:
        data, name = self._loaded[place]
        painter.sliders.load(io.BytesIO(data), name)
      self._open[place] = painter
      while len(self._open) > _MOST_OPEN:
        self._open.popitem(last=False)
    self._open.move_to_end(place)
    return self._open[place]

  def load(self, place: int, data: bytes, name: str) -> tuple[str, ...]:
    """Gives a model the directions in a file of `edit`; returns their names.

    Raises:
      UserError: see `Sliders.load`.
    """
    names = self.painter(place).sliders.load(io.BytesIO(data), name)
    self._loaded[place] = data, name
    return names

  def projected(self, name: str) -> Projected:
    """A projected image.

    Raises:
      UserError: where there is none of this name.
    """
    if name not in self._projected:
      raise UserError(f'projection={name!r}: there is none of this name; project the image again')
    return self._projected[name]

  def keep(self, projected: Projected) -> str:
    """Keeps a projected image under a name, which is returned."""
    if len(self._projected) >= _MOST_PROJECTED:
      raise UserError(f'{_MOST_PROJECTED:,} images are projected; end the command and start anew')
    name = f'p{len(self._projected) + 1}'
    self._projected[name] = projected
    return name


def entries(paths: Sequence[str]) -> list[Entry]:
  """All checkpoints of runs, the newest of each first; others as they are.

  Raises:
    UserError: where there is nothing of this kind.
  """
  found: list[Entry] = []
  for path in paths:
    if not os.path.isdir(os.path.join(path, 'checkpoints')):
      found.append(Entry(path))
      continue
    checkpoints = Checkpointer(path, read_only=True)
    steps = checkpoints.steps()
    if not steps:
      raise UserError(f'--workdir={path}: holds no checkpoints')
    found += [Entry(path, step, checkpoints.about(step).get('images')) for step in steps[::-1]]
  return found
