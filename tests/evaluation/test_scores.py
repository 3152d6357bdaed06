import pytest

from gan_jax.errors import UserError
from gan_jax.evaluation import scores
from gan_jax.evaluation.scores import Score, Scored
from gan_jax.metrics.estimate import Estimate


def score(value, half=0.5, metric='fd', higher=False, **other):
  known = {'features': 'inception_v3', 'resize': 'antialias', 'n': 1000, 'n_real': 5000}
  estimate = Estimate(value, value - half, value + half)
  return Score(metric=metric, higher_is_better=higher, estimate=estimate, **(known | other))


@pytest.mark.parametrize(
  ('changes', 'key', 'name'),
  [
    ({}, 'fd_inception_v3', 'fd_inception_v3_antialias_n1000'),
    (
      {'features': 'inception_v3_legacy', 'resize': 'legacy', 'n': 50_000},
      'fd_inception_v3_legacy',
      'fd_inception_v3_legacy_n50000',
    ),
    ({'features': 'classifier', 'resize': 'none'}, 'fd_classifier', 'fd_classifier_n1000'),
    ({'metric': 'cas', 'features': '', 'resize': 'none', 'n': 9}, 'cas', 'cas_n9'),
  ],
)
def test_a_name_says_features_resize_and_number(changes, key, name):
  found = score(1.0, **changes)
  assert (found.key, found.name) == (key, name)


def test_a_line_of_the_record_has_value_interval_floor_and_numbers():
  floor = Estimate(0.25, 0.0, 0.5)
  line = scores.flat([score(2.0, floor=floor, n_floor=400), score(3.0, metric='kid')])
  assert line == {
    'fd_inception_v3': 2.0,
    'fd_inception_v3_low': 1.5,
    'fd_inception_v3_high': 2.5,
    'kid_inception_v3': 3.0,
    'kid_inception_v3_low': 2.5,
    'kid_inception_v3_high': 3.5,
    'floor_fd_inception_v3': 0.25,
    'n_floor': 400,
    'n_real': 5000,
    'n_fake': 1000,
  }


def test_sets_of_different_size_are_in_one_table_only_where_that_is_asked_for():
  scores.check_comparable({'a': 10, 'b': 10}, allow=False)
  scores.check_comparable({'a': 10, 'b': 2000}, allow=True)
  with pytest.raises(UserError, match=r'\(a: 10, b: 2,000\); give --num_samples=10, or --allow'):
    scores.check_comparable({'a': 10, 'b': 2000}, allow=False)


@pytest.mark.parametrize(('higher', 'first', 'near'), [(False, 1, [2]), (True, 0, [])])
def test_the_best_row_is_told_with_those_that_its_interval_reaches(higher, first, near):
  rows = [Scored(str(i), [score(v, higher=higher)]) for i, v in enumerate((9.0, 3.0, 3.4, 8.0))]
  assert scores.best(rows, 'fd_inception_v3') == (first, near)


def test_a_score_that_is_no_number_is_never_the_best():
  rows = [Scored(str(i), [score(v)]) for i, v in enumerate((float('nan'), 3.0))]
  assert scores.best(rows, 'fd_inception_v3')[0] == 1


def test_a_row_without_the_score_is_never_the_best():
  rows = [Scored('a', [score(4.0)]), Scored('b', [score(1.0, metric='kid')])]
  assert scores.best(rows, 'fd_inception_v3') == (0, [])


def test_rows_are_ordered_by_a_score_that_they_have():
  rows = [Scored('a', [score(1.0)])]
  with pytest.raises(UserError, match="--best=fd_inception: did you mean 'fd_inception_v3'"):
    scores.best(rows, 'fd_inception')


def test_json_holds_all_of_a_score():
  made = scores.as_json(score(2.0, details={3: Estimate(1, 0, 2)}, repeats=(2.0, 2.5)))
  assert made['name'] == 'fd_inception_v3_antialias_n1000'
  assert (made['value'], made['low'], made['high'], made['level']) == (2.0, 1.5, 2.5, 0.95)
  assert made['floor'] is None
  assert made['details'] == {'3': {'value': 1, 'low': 0, 'high': 2}}
  assert made['repeats'] == [2.0, 2.5]


def test_a_score_without_a_better_end_orders_nothing():
  rows = [Scored('a', [score(1.0), score(1.0, metric='nearest_ratio', higher=None)])]
  with pytest.raises(UserError, match='accepted: fd_inception_v3'):
    scores.best(rows, 'nearest_ratio_inception_v3')
