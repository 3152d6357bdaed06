"""What is asked of a model, held against what it was trained on; what comes, against its data."""

from collections.abc import Mapping
from typing import Any

from gan_jax.audit import scope, subject
from gan_jax.audit import screen as screens
from gan_jax.errors import UserError
from gan_jax.sampling.about import OUTSIDE
from gan_jax.sampling.model import Model
from gan_jax.sampling.plan import Plan
from gan_jax.text import say
from gan_jax.workdir import record

_DRAWN = 2  # images that a subject has to have, where its data alone are used


def data_of(model: Model) -> Mapping[str, Any]:
  """What the record of a model's run says of its data; {} of a model of another origin."""
  if not model.workdir:
    return {}
  return record.read_circumstances(model.workdir).get('dataset') or {}


def check(plan: Plan, allow_outside: bool) -> Plan:
  """Refuses what is outside of what the model was trained on, or has the files say so.

  Raises:
    UserError: for a truncation above 1, or classes of which the data hold too few images, unless
      that is allowed.
  """
  known = data_of(plan.model).get('class_counts')
  counts = dict(enumerate(known)) if known and plan.model.num_classes else None
  found = scope.reasons(plan.labels.tolist(), plan.truncation, counts, plan.model.class_names)
  if not found:
    return plan
  if not allow_outside:
    raise UserError(
      f'outside of what the model was trained on: {"; ".join(found)}; --allow_outside draws it all '
      'the same, and the files say so'
    )
  return plan._replace(remarks={**plan.remarks, OUTSIDE: '; '.join(found)})


def screen(plan: Plan, keep_within: float | None, no_copies: bool, data_dir: str = '') -> Plan:
  """Replaces images that are outside of what real images are, or copies; says how many.

  Raises:
    UserError: for a model without a run, data that are not there, or a rate that cannot be told.
  """
  if keep_within is None and not no_copies:
    return plan
  about = subject_of(plan.model, data_dir)
  found, left_out = screens.screened(plan, screens.screen(about, keep_within, no_copies))
  told = ', '.join(f'{count:,} as {name}' for name, count in left_out.items())
  say(f'left out and drawn again: {told}')
  return found


def subject_of(model: Model, data_dir: str = '') -> subject.Subject:
  """A model's run as a subject, for its data.

  Raises:
    UserError: where the model is of no run, or its data are not there.
  """
  if model.config is None:
    raise UserError(f'{model.workdir}: is no run: its training data, which this takes, are unknown')
  return subject.of_run(model.workdir, model.step, num_samples=_DRAWN, data_dir=data_dir)
