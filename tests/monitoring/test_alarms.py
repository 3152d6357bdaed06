"""Alarms on traces made by hand: when they begin, that they begin once, and when again."""

import json

from gan_jax.monitoring import alarms


def values(train=2.0, holdout=1.8, fake=-2.0, diversity=0.7, **others):
  return {
    'd_train_logit': train,
    'd_holdout_logit': holdout,
    'd_fake_logit': fake,
    'fake_diversity': diversity,
    'd_grad_norm': 1.0,
    'g_grad_norm': 1.0,
    **others,
  }


def run(trace):
  """The number of the log and the name of each alarm."""
  watch = alarms.Alarms()
  return [(i, a.name) for i, line in enumerate(trace) for a in watch.update(line)]


def test_a_healthy_run_is_silent():
  assert run([values()] * 50) == []


def test_overfitting_is_said_once_and_again_after_it_was_over():
  overfit = values(holdout=-1.0)  # three quarters of the way to the fakes
  trace = [values()] * 10 + [overfit] * 10 + [values()] * 10 + [overfit] * 10
  found = run(trace)
  assert [name for _, name in found] == ['overfitting'] * 2
  assert 10 < found[0][0] < 15
  assert 30 < found[1][0] < 35


def test_one_unlucky_batch_is_no_overfitting():
  trace = [values()] * 10
  trace[7] = values(holdout=-1.5)
  assert run(trace) == []


def test_before_the_discriminator_tells_real_from_fake_there_is_no_gap():
  assert run([values(train=0.0, holdout=-0.1, fake=0.1)] * 10) == []


def test_collapse_is_measured_by_the_best_of_the_run():
  assert run([values(diversity=0.15)] * 20) == []  # images of this kind are alike
  found = run([values(diversity=0.7)] * 10 + [values(diversity=0.05)] * 10)
  assert [name for _, name in found] == ['collapse']


def test_a_player_without_a_gradient_is_dead():
  found = run([values()] * 5 + [values(g_grad_norm=0.0)] * 10)
  assert found == [(9, 'dead generator')]
  found = run([values(d_grad_norm=1e-9)] * 6)
  assert found == [(4, 'dead discriminator')]


def test_values_that_are_not_logged_say_nothing():
  assert run([{'d_loss': 1.0}] * 10) == []


def test_a_run_that_continues_knows_what_it_saw_and_does_not_repeat_itself():
  trace = [values()] * 10 + [values(holdout=-1.0)] * 10
  whole = alarms.Alarms()
  assert [a.name for line in trace[:15] for a in whole.update(line)] == ['overfitting']
  again = alarms.Alarms(json.loads(json.dumps(whole.state())))  # as out of a checkpoint
  assert [a.name for line in trace[15:] for a in whole.update(line)] == []
  assert [a.name for line in trace[15:] for a in again.update(line)] == []


def test_each_says_what_people_do():
  for alarm in alarms.ALARMS:
    assert 'people' in alarm.text
    assert '\n' not in alarm.text
