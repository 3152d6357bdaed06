"""What is due is a matter of the images shown, wherever a run was stopped and went on."""

from hypothesis import given
from hypothesis import strategies as st

from gan_jax.monitoring.position import Position

COUNTS = st.integers(1, 500)


@given(COUNTS, COUNTS, COUNTS)
def test_a_run_ends_with_the_first_step_that_reaches_its_length(per_step, length, interval):
  at = Position(0, 0, per_step, length)
  assert at.images(at.last) >= length > at.images(at.last - 1)
  assert at.due(interval, at.last)
  assert not at.due(interval, 0)


@given(COUNTS, COUNTS, COUNTS)
def test_each_multiple_of_an_interval_is_due_once(per_step, length, interval):
  at = Position(0, 0, per_step, length)
  due = [step for step in range(1, at.last) if at.due(interval, step)]
  reached = {at.images(step) // interval for step in range(1, at.last)} - {0}
  assert len(due) == len(reached)
  # The first step past each: one step before it was not reached.
  assert all(at.images(step) % interval < per_step for step in due)


@given(COUNTS, COUNTS, COUNTS, st.data())
def test_a_run_that_goes_on_has_the_same_due(per_step, length, interval, data):
  whole = Position(0, 0, per_step, length)
  step = data.draw(st.integers(0, whole.last))
  later = Position(step, whole.images(step), per_step, length)
  assert (later.began_at, later.last) == ((step, whole.images(step)), whole.last)
  for each in range(step, whole.last + 1):
    assert later.images(each) == whole.images(each)
    assert later.due(interval, each) == whole.due(interval, each)


def test_a_longer_run_of_other_batches_counts_on_from_its_images():
  at = Position(10, 640, 32, 1000)
  assert (at.images(), at.images(11), at.last) == (640, 672, 22)
  at.step = 12
  assert at.images() == 704
  at.end_here()
  assert at.last == 12
  assert at.due(1_000_000)
  assert Position(10, 640, 32, 500).last == 10  # it is past its end
