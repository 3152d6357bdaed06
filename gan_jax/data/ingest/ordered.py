"""Does something with many things in threads, and gives the results in order, few at a time."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar('T')
R = TypeVar('R')


def each(
  pool: ThreadPoolExecutor, do: Callable[[T], R], things: Iterable[T]
) -> Iterator[tuple[T, R]]:
  """Yields each thing with what `do` makes of it; no more results than threads need are there."""
  begun: deque[tuple[T, Future[R]]] = deque()
  for thing in things:
    begun.append((thing, pool.submit(do, thing)))
    if len(begun) > 2 * (os.cpu_count() or 1):
      first, done = begun.popleft()
      yield first, done.result()
  for thing, done in begun:
    yield thing, done.result()
