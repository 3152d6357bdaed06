"""Leaves generated images out of a plan: those outside of what real images are, and copies."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gan_jax.audit.copying import Detector
from gan_jax.audit.scope import Outside
from gan_jax.audit.subject import Subject
from gan_jax.errors import UserError
from gan_jax.sampling.plan import Plan

_ROUNDS = 20  # in which images that are left out are drawn again
_COPIES = 0.01  # of unseen real images that would be called copies


class Screen(NamedTuple):
  """What is left out.

  Attributes:
    tests: by name the p-values of images, and the least that is kept.
  """

  tests: dict[str, tuple[Callable[[np.ndarray], np.ndarray], float]]

  def kept(self, images: np.ndarray) -> tuple[np.ndarray, dict[str, int]]:
    """Which images `[N, H, W, C]` are kept, and how many each test leaves out."""
    keep, counts = np.ones(len(images), bool), {}
    for name, (p_values, level) in self.tests.items():
      good = p_values(images) > level
      counts[name] = int(np.sum(~good))
      keep &= good
    return keep, counts


def screen(subject: Subject, keep_within: float | None, no_copies: bool) -> Screen:
  """Calibrates what is asked for on a subject's held-out images.

  Args:
    subject: whose data.
    keep_within: share of real images that counts as outside; None: nothing does.
    no_copies: leave out what is nearer to one training image than 99 % of unseen images are.

  Raises:
    UserError: for a rate that the held-out images cannot tell.
  """
  tests: dict[str, tuple[Callable[[np.ndarray], np.ndarray], float]] = {}
  if keep_within is not None:
    outside = Outside(subject, keep_within)
    if outside.units.level > keep_within:
      raise UserError(f'--keep_within={keep_within:g}: {outside.units.caution}')
    tests['outside'] = outside.p_values, keep_within
  if no_copies:
    detector = Detector(subject, _COPIES)
    tests['copies'] = detector.p_values, detector.units.level
  return Screen(tests)


def screened(plan: Plan, chosen: Screen) -> tuple[Plan, dict[str, int]]:
  """Replaces what is left out by further images of the same seed and class.

  Returns:
    The plan of images that are all kept, in the order of the one given, and how many images each
    test has left out.

  Raises:
    UserError: where too few images are kept for there ever to be enough.
  """
  places, open_rows = plan.places.copy(), np.arange(len(plan.seeds))
  seeds = np.array(plan.seeds)
  following = {seed: int(places[seeds == seed].max()) + 1 for seed in dict.fromkeys(plan.seeds)}
  left_out = dict.fromkeys(chosen.tests, 0)
  for _ in range(_ROUNDS):
    tried = plan._replace(
      seeds=tuple(plan.seeds[row] for row in open_rows),
      places=places[open_rows],
      labels=plan.labels[open_rows],
    )
    keep, counts = chosen.kept(np.stack(list(tried.images())))
    left_out = {name: left_out[name] + count for name, count in counts.items()}
    open_rows = open_rows[~keep]
    if not len(open_rows):
      return plan._replace(places=places, remarks={**plan.remarks, **_told(chosen)}), left_out
    for row in open_rows:
      places[row] = following[plan.seeds[row]]
      following[plan.seeds[row]] += 1
  raise UserError(
    f'{len(open_rows):,} of {len(plan.seeds):,} images were left out {_ROUNDS} times over '
    f'({", ".join(f"{name}: {count:,}" for name, count in left_out.items())}); accepted: a lower '
    '--keep_within, or other classes'
  )


def _told(chosen: Screen) -> dict[str, str]:
  names = {'outside': 'Kept within', 'copies': 'Copies left out at'}
  return {names[name]: f'p > {level:.3g}' for name, (_, level) in chosen.tests.items()}
