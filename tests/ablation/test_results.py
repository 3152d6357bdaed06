import math

import numpy as np
import pytest

from gan_jax import report
from gan_jax.ablation import results, words
from gan_jax.errors import UserError


def read(root, made):
  return results.read(root, made.name, root.sweeps()[made.name])


def test_the_number_at_the_end_with_its_own_interval_apart_from_the_spread_of_seeds(written):
  found = read(*written({'a': [[5, 3], [6, 4], [7, 5]], 'b': [[5, 2], [6, 2], [7, 2]]}))
  a, b = found.rows
  assert [run.value for run in a.runs] == [3, 4, 5]
  assert (a.mean.value, a.spread, a.sampling, a.floor) == (4.0, 1.0, 1.0, 0.5)
  assert b.comparison.pairs == 3
  assert b.comparison.difference.value == pytest.approx(-2.0)
  assert b.comparison.improvement.value == 1.0
  assert a.comparison is None
  assert not found.higher_is_better


def test_the_best_checkpoint_is_chosen_on_one_half_and_scored_on_the_other(written):
  # By halves: 5.3 3.7 4.3 for choosing, and then of the second 4.1.
  found = read(*written({'a': [[5, 4, 4]]}, end='best'))
  assert found.rows[0].runs[0].value == pytest.approx(4.1)
  # The whole scores would choose the first 4, whose choosing half flatters it.


def test_which_number_counts_can_be_chosen_of_a_sweep_that_has_run(written):
  root, _ = written({'a': [[6, 4, 2]]})
  value = lambda end: report.read(root.path, end=end).rows[0].runs[0].value
  assert [value(''), value('end'), value('area')] == [2, 2, 4]
  assert value('best') == pytest.approx(2.1)


def test_the_area_is_the_mean_score_over_the_images_shown(written):
  found = read(*written({'a': [[6, 4, 2]]}, end='area'))
  # Trapezoids over two equal stretches: (5 + 3) / 2.
  assert found.rows[0].runs[0].value == pytest.approx(4.0)


def test_the_area_against_numpy():
  curve = [(10, 0.0, 5.0), (30, 0.0, 1.0), (60, 0.0, 2.0)]
  expected = np.trapezoid([5.0, 1.0, 2.0], [10, 30, 60]) / 50
  assert results.of_curve(curve) == pytest.approx(expected)
  assert results.of_curve(curve[:1]) == 5.0
  assert math.isnan(results.of_curve([]))


def test_a_diverged_run_counts_as_worst_and_is_never_dropped(written):
  found = read(*written({'a': [[3], [4]], 'b': [[1], []]}))
  b = found.rows[1]
  assert [run.state for run in b.runs] == ['finished', 'diverged']
  assert math.isnan(b.mean.value)
  assert b.comparison.pairs == 2
  assert b.comparison.improvement.value == 0.5
  assert math.isnan(b.comparison.difference.value)
  assert '1 of 2 diverged' in words.cells(b, found)[-1]
  assert 'diverged' in words.cells(b, found)[2]


def test_pairs_are_of_the_seeds_that_both_have_finished(written):
  root, made = written({'a': [[3], [4], [5]], 'b': [[1], [9]]})
  b = read(root, made).rows[1]
  assert b.comparison.pairs == 2
  assert b.comparison.difference.value == pytest.approx(((1 - 3) + (9 - 4)) / 2)
  assert '1 of 3 unfinished' in words.cells(b, read(root, made))[-1]


def test_seconds_add_up_over_the_lines(written):
  root, made = written({'a': [[6, 4]]})
  assert [point[1] for point in read(root, made).rows[0].runs[0].curve] == [2.5, 5.0]


def test_too_few_seeds_are_said_in_plain_words_with_how_many_more_would_decide(written):
  root, made = written({'a': [[5], [6.2], [7]], 'b': [[2], [2.9], [4.3]]})
  found = read(root, made)
  note = words.seeds_note(found.rows[1])
  assert 'too few seeds: with 3 the test cannot go below p = 0.25' in note
  assert 'about 3 more seeds would decide' in note
  answer = words.answer(found)
  assert answer.startswith('No difference from a is shown by fd_pixels.')
  assert '3 seeds cannot show one here' in answer
  assert 'The lowest mean is that of b, 3.067, beside 6.067 of the baseline.' in answer
  assert answer.endswith(
    'if differences are about normal, b by −3 [−3.745, −2.255] is apart from it.'
  )


@pytest.mark.parametrize(('shift', 'apart'), [(-0.5, True), (0.5, True), (0.01, False)])
def test_a_variant_is_apart_where_its_interval_leaves_zero_out_on_either_side(
  written, shift, apart
):
  values = {'a': [[5], [6], [7]], 'b': [[5 + n + shift] for n in (0.02, 0.97, 2.01)]}
  assert ('b by ' in words.answer(read(*written(values)))) == apart


def test_of_differences_whose_mean_is_zero_it_is_said_that_no_number_of_seeds_would_decide(written):
  found = read(*written({'a': [[1], [2], [3]], 'b': [[2], [2], [2]]}))
  assert words.seeds_note(found.rows[1]) == (
    'too few seeds: with 3 the test cannot go below p = 0.25; '
    'at such differences no number of seeds would decide'
  )


def test_an_answer_that_the_numbers_support(written):
  few = [[5 + 0.1 * i] for i in range(7)]
  scores = {
    'a': few,
    'b': [[2 + 0.11 * i] for i in range(7)],
    'c': [[9 + 0.1 * i] for i in range(7)],
  }
  found = read(*written(scores))
  assert words.answer(found).startswith('By fd_pixels, b by −2.97')
  assert 'is better than a' in words.answer(found)
  assert 'c by 4' in words.answer(found)
  assert 'is worse than a' in words.answer(found)
  assert words.seeds_note(found.rows[1]) == ''


def test_no_answer_before_there_is_one(written):
  assert words.answer(read(*written({'a': [[3]]}))).startswith('No answer yet')


def test_a_sweep_of_another_version_is_refused_by_what_it_lacks(written):
  root, made = written({'a': [[3]]})
  sweep = {k: v for k, v in root.sweeps()['tiny'].items() if k != 'baseline'}
  with pytest.raises(UserError, match=r"tiny\.json: damaged: lacks 'baseline'"):
    results.read(root, made.name, sweep)


@pytest.mark.parametrize(
  ('value', 'text'),
  [(math.nan, '–'), (math.inf, '∞'), (-math.inf, '−∞'), (-1.5, '−1.5'), (12345.6, '1.235e+04')],
)
def test_numbers_of_the_table(value, text):
  assert words.number(value) == text
