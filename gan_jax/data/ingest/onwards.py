"""Reads things that lie one after another in their order, though several threads ask for them."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Generic, NamedTuple, TypeVar

from gan_jax.data.ingest import files
from gan_jax.data.ingest.picture import RefusedError, first_line

_NEAR = 64  # things that are gone past instead of beginning anew; threads may ask for so many
_HELD_BYTES = 2**26  # of things that were gone past and will be asked for soon

T = TypeVar('T')


class Thing(NamedTuple, Generic[T]):
  """One of them: how many bytes it has, and how it is read while it is the next."""

  size: int
  read: Callable[[], T]


class Onwards(Generic[T]):
  """Things by their place; a compressed stream goes back by starting again."""

  def __init__(self, begin: Callable[[int], Iterator[Thing[T]]]):
    """Takes what gives the things from a place on, and lets go of its files when it is closed."""
    self._begin = begin
    self._lock = threading.Lock()
    self._things: Iterator[Thing[T]] | None = None
    self._next = 0
    self._held: dict[int, tuple[int, T]] = {}
    self._broken: tuple[int, str] | None = None  # from which place on, and why

  def read(self, place: int) -> T:
    """The thing at a place.

    Raises:
      RefusedError: where what lies before it is damaged.
    """
    files.opened.use(self)
    with self._lock:
      if place in self._held:
        return self._held.pop(place)[1]
      if self._broken and place >= self._broken[0]:
        raise RefusedError(self._broken[1])
      near = self._next <= place < self._next + _NEAR
      if self._things is None or not near:
        self._close()
        self._next = self._next if near else place
        self._things = self._begin(self._next)
      while self._next < place:
        self._pass(self._advance())
      thing = self._advance()
      self._next += 1
      return thing.read()

  def close(self) -> None:
    """Lets go of the stream; the next that is asked for opens it again."""
    with self._lock:
      self._close()

  def _close(self) -> None:
    things, self._things = self._things, None
    if things is not None:
      things.close()  # type: ignore[attr-defined]  # a generator

  def _advance(self) -> Thing[T]:
    assert self._things is not None
    try:
      return next(self._things)
    except Exception as error:  # a disk's, an archive's or a decompressor's own
      self._things = None
      self._broken = self._next, f'cannot be read: {first_line(error)}'
      raise RefusedError(self._broken[1]) from error

  def _pass(self, thing: Thing[T]) -> None:
    """Holds a thing that another thread will ask for, if it is small, and not many of them."""
    if thing.size + sum(size for size, _ in self._held.values()) <= _HELD_BYTES:
      with contextlib.suppress(Exception):  # whoever asks for it is told
        self._held[self._next] = thing.size, thing.read()
    self._next += 1
    self._held = {at: held for at, held in self._held.items() if at > self._next - 2 * _NEAR}
