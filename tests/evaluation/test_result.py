"""Rows of an evaluation, gathered, and which of them is best."""

import types

import numpy as np
import pytest

from gan_jax.errors import NonFiniteError, UserError
from gan_jax.evaluation.result import Found
from gan_jax.evaluation.scores import Score, Scored
from gan_jax.metrics.estimate import Estimate


def score(metric, value, higher_is_better=False):
  estimate = Estimate(value, value - 1, value + 1)
  return Score(metric, 'pixels', 'antialias', higher_is_better, estimate, n=9, n_real=9)


def found_of(*values, repeats=1):
  """Subjects `a`, `b` .., an fd of each value, a kid of its negative, a score that orders none."""
  found = Found()
  for name, value in zip('abcde', values, strict=False):
    scores = [score('ratio', value, None), score('fd', value), score('kid', -value)]
    evaluator = types.SimpleNamespace(
      score=lambda of, repeats, scores=scores: scores * repeats,
      shown=lambda of: (np.full(3, ord(of.name)), np.zeros(3), np.ones(3)),
      tenths=[f'tenths of {name}'],
    )
    found.add(Scored(name, []), types.SimpleNamespace(name=name), evaluator, repeats)
  return found


def refusing(error):
  def refuse(of, repeats):
    raise error

  return types.SimpleNamespace(score=refuse)


@pytest.mark.parametrize('asked_for', [False, True])
def test_the_best_row_is_the_one_by_the_score_that_is_named_with_its_own_pictures(asked_for):
  for key, place, near in (('fd_pixels', 1, [2]), ('kid_pixels', 0, [])):
    result = found_of(5.0, 1.0, 1.5).finish(key, asked_for)
    assert (result.best, result.best_key) == ((place, near), key)
    assert result.gallery.subject == 'abc'[place]
    assert (result.gallery.images == ord('abc'[place])).all()
    assert result.tenths == [f'tenths of {"abc"[place]}']
    assert [row.subject for row in result.rows] == ['a', 'b', 'c']


@pytest.mark.parametrize('key', ['recall_pixels', 'ratio_pixels'])
def test_a_score_that_is_not_there_or_orders_nothing_is_refused_if_it_was_asked_for(key):
  with pytest.raises(UserError, match=f'--best={key}: .*fd_pixels'):
    found_of(5.0, 1.0).finish(key, asked_for=True)
  result = found_of(5.0, 1.0).finish(key, asked_for=False)  # the first that orders
  assert (result.best, result.best_key) == ((1, []), 'fd_pixels')


def test_where_nothing_orders_them_the_first_row_is_shown_as_no_best():
  found = Found()
  scores = [score('ratio', 1.0, None)]
  shown = types.SimpleNamespace(
    score=lambda of, repeats: scores, shown=lambda of: (np.ones(1),) * 3, tenths=[]
  )
  found.add(Scored('a', []), types.SimpleNamespace(name='a'), shown)
  result = found.finish('fd_pixels', asked_for=False)
  assert (result.best, result.best_key, result.gallery.subject) == ((0, []), '', 'a')


def test_what_can_have_no_score_is_noted_or_where_nothing_can_raised():
  found = found_of(2.0)
  subject = types.SimpleNamespace(name='x')
  found.add(Scored('x', []), subject, refusing(NonFiniteError('NaN at pixels')))
  result = found.finish('fd_pixels', asked_for=False)
  assert [row.subject for row in result.rows] == ['a']
  assert result.notes == ['x: NaN at pixels']
  for error in (NonFiniteError('first'), UserError('first')):
    found = Found()
    found.add(Scored('x', []), subject, refusing(error))
    found.add(Scored('x', []), subject, refusing(UserError('second')))
    with pytest.raises(type(error), match='x: first'):
      found.finish('fd_pixels', asked_for=False)


def test_a_subject_is_scored_as_often_as_is_asked_for():
  assert len(found_of(1.0, repeats=3).rows[0].scores) == 9
