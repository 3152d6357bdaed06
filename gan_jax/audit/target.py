"""Shares that a user wants generated images to have."""

import json
import os
from collections.abc import Sequence

import numpy as np

from gan_jax.audit.groups import Grouping
from gan_jax.errors import UserError, nearest

Targets = dict[str, str | dict[str, float]]

_ACCEPTED = (
  'ATTRIBUTE=uniform, ATTRIBUTE=data, ATTRIBUTE=VALUE:0.2,OTHER:0.8, several with semicolons, or a '
  '.json file {"ATTRIBUTE": {"VALUE": 0.2, "OTHER": 0.8}}'
)


def parse(text: str) -> Targets:
  """Reads targets by grouping: `uniform`, `data`, or a share of each value.

  Raises:
    UserError: for what is none.
  """
  if text.endswith('.json'):
    return _of_file(os.path.expanduser(text))
  found: Targets = {}
  for part in filter(None, (each.strip() for each in text.split(';'))):
    name, equals, value = part.partition('=')
    if not equals or not name or not value:
      raise UserError(f'--target={text}: accepted: {_ACCEPTED}')
    found[name.strip()] = value if value in ('uniform', 'data') else _shares(text, value)
  if not found:
    raise UserError(f'--target={text}: accepted: {_ACCEPTED}')
  return found


def _shares(text: str, value: str) -> dict[str, float]:
  found = {}
  for each in value.split(','):
    name, colon, share = each.rpartition(':')
    try:
      found[name.strip()] = float(share)
    except ValueError:
      colon = ''
    if not colon:
      raise UserError(f'--target={text}: {each!r}; accepted: {_ACCEPTED}')
  return found


def _of_file(path: str) -> Targets:
  try:
    with open(path, encoding='utf-8') as file:
      content = json.load(file)
  except (OSError, ValueError) as error:
    reason = getattr(error, 'strerror', None) or f'no JSON: {error}'
    raise UserError(f'--target={path}: {reason}') from error
  wrong = not isinstance(content, dict) or not content
  for value in [] if wrong else content.values():
    numbers = isinstance(value, dict) and all(
      isinstance(each, int | float) for each in value.values()
    )
    wrong = wrong or not (numbers or value in ('uniform', 'data'))
  if wrong:
    raise UserError(f'--target={path}: accepted: {_ACCEPTED}')
  return content


def shares_of(grouping: Grouping, targets: Targets) -> np.ndarray | None:
  """The wanted share of each category, `[K]`; None where there is no target.

  Raises:
    UserError: for values that there are not, or shares that do not sum to 1.
  """
  wanted = targets.get(grouping.name)
  count = len(grouping.categories)
  if wanted is None:
    return None
  if wanted == 'uniform':
    return np.full(count, 1 / count)
  if wanted == 'data':
    return grouping.data_shares
  assert isinstance(wanted, dict)
  for name in wanted:
    if name not in grouping.categories:
      raise UserError(
        f'--target: {grouping.name} has no value {name!r} with enough images; '
        f'{nearest(name, grouping.categories)}'
      )
  found = np.array([wanted.get(name, 0.0) for name in grouping.categories])
  if not ((found >= 0).all() and abs(found.sum() - 1) <= 0.01):
    raise UserError(
      f'--target: the shares of {grouping.name} sum to {found.sum():g}; accepted: shares from 0 '
      'that sum to 1'
    )
  return found / found.sum()


def check(targets: Targets, groupings: Sequence[Grouping], refused: Sequence[str]) -> None:
  """Raises UserError for a target of what cannot be told, or is not there."""
  known = [grouping.name for grouping in groupings]
  for name in targets:
    if name not in known:
      why = 'its shares cannot be told' if name in refused else 'unknown'
      accepted = nearest(name, known) if known else 'nothing: the data have no groups'
      raise UserError(f'--target={name}: {why}; {accepted}')
