"""Where a run is, by what its folder holds."""

import os
import pathlib

import pytest

from gan_jax.ablation import status
from gan_jax.ablation.root import Root
from gan_jax.ablation.status import State
from gan_jax.workdir import record
from tests.ablation.conftest import a_plan


@pytest.fixture(scope='module')
def run():
  """A run of 192 images."""
  (planned,) = a_plan({'a': {}}, seeds=(0,)).runs
  return planned


@pytest.fixture
def planned(tmp_path, run):
  """A root, and the run that has not begun there."""
  root = Root(str(tmp_path / 'root'))
  root.make()
  return root, run


@pytest.mark.parametrize(
  ('lines', 'expected', 'shown'),
  [
    ([], State.STARTED, 0),
    ([('train', 48), ('train', 96)], State.STARTED, 96),
    ([('train', 96), ('non_finite', 112)], State.DIVERGED, 112),
    ([('train', 192), ('scores', 192), ('end', 192)], State.FINISHED, 192),
    ([('train', 96), ('end', 96)], State.STARTED, 96),  # of a shorter length that was gone on from
    ([('train', 96), ('end', 96), ('train', 192), ('end', 192)], State.FINISHED, 192),
    ([('train', 96), ('train', 48)], State.STARTED, 96),  # after a rollback
  ],
)
def test_the_record_of_a_run_says_where_it_is_and_how_far(planned, lines, expected, shown):
  root, run = planned
  assert (status.state(root, run), status.shown_images(root, run.key)) == (State.NEW, 0)
  workdir = root.workdir(run.key)
  os.makedirs(workdir)
  for step, (kind, images) in enumerate(lines, start=1):
    record.append_line(workdir, kind, step, images, {})
  assert status.state(root, run) is expected
  assert status.shown_images(root, run.key) == shown


def test_a_run_has_failed_after_as_many_attempts_as_are_accepted_and_stops_are_none(planned):
  root, run = planned
  for code in (0, 75, 1):
    status.add_attempt(root, run.key, code, 'why')
  assert [line['code'] for line in status.failures(root, run.key)] == [1]
  assert status.state(root, run) is State.FAILED
  assert status.state(root, run, retries=1) is State.NEW
  status.add_attempt(root, run.key, -9, 'why')
  assert status.state(root, run, retries=1) is State.FAILED


def test_a_record_that_cannot_be_read_is_no_end_and_shows_no_images(planned):
  root, run = planned
  os.makedirs(root.workdir(run.key))
  pathlib.Path(root.workdir(run.key), 'metrics.jsonl').write_text('no record\nat all\n')
  assert status.state(root, run) is State.STARTED
  assert status.shown_images(root, run.key) == 0
