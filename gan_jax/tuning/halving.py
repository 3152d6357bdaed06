"""Successive halving: many candidates for a short while, the better half for longer, and so on.

Jamieson and Talwalkar 2016, arXiv:1502.07943. Every rung gets the same share of the budget.
"""

import math
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple, TypeVar

C = TypeVar('C', bound=Hashable)


class Rung(NamedTuple):
  """One rung of the search.

  Attributes:
    candidates: that run in it.
    images: that each has been shown when it ends, those of the rungs before included.
  """

  candidates: int
  images: int


def plan(candidates: int, budget: int, batch: int) -> list[Rung]:
  """The rungs of a search: half of the candidates go on, until two are left.

  Args:
    candidates: at first.
    budget: images of all runs together.
    batch: images are a multiple of it.
  """
  counts = [candidates]
  while counts[-1] > 2:
    counts.append(math.ceil(counts[-1] / 2))
  rungs, shown = [], 0
  for count in counts:
    shown += budget // len(counts) // count // batch * batch
    rungs.append(Rung(count, shown))
  return rungs


def search(
  candidates: Sequence[C], rungs: Sequence[Rung], run: Callable[[C, int], float]
) -> list[dict[C, float]]:
  """Runs the rungs; returns the scores of each, lower for the better.

  Args:
    candidates: as many as the first rung has.
    rungs: of `plan`.
    run: brings a candidate to so many images and scores it; infinite where it came to nothing.
  """
  going, found = list(candidates), []
  for number, rung in enumerate(rungs):
    scores = {candidate: run(candidate, rung.images) for candidate in going}
    found.append(scores)
    if number + 1 < len(rungs):
      going = sorted(going, key=lambda c: scores[c])[: rungs[number + 1].candidates]
  return found
