import json

import numpy as np
import pytest

from gan_jax.audit import adjusted, groups, mitigation, quality, representation, shares, target
from gan_jax.audit.predictor import Predictor, Said
from gan_jax.audit.representation import Settings
from gan_jax.audit.result import Sentence
from gan_jax.audit.subject import Subject
from gan_jax.errors import UserError


def of_images(images, digits, held_out, labels=None):
  return Subject('planted', images, labels, digits, held_out, features=('classifier',))


def drawn(digits, shares, count=2500, seed=0):
  """Training digits drawn by class shares, in place of generated ones."""
  rng = np.random.default_rng(seed)
  labels = digits.labels(np.arange(len(digits)))
  wanted = rng.choice(10, count, p=np.asarray(shares) / np.sum(shares))
  rows = np.array([rng.choice(np.flatnonzero(labels == label)) for label in wanted])
  batch = digits.fetch(rows)
  return batch['image'], batch['label']


def said(result, level):
  return ' | '.join(each.text for each in result.sentences if each.level == level)


def test_even_digits_are_not_accused(digits, held_out_digits):
  images, _ = drawn(digits, np.ones(10))
  result = representation.audit(of_images(images, digits, held_out_digits), Settings())
  assert not said(result, 'bad')
  assert 'no share is shown to differ' in said(result, 'good')
  json.dumps(result.about)


@pytest.mark.parametrize(('share', 'word'), [(0.0, 'hardly ever'), (0.5, 'too rarely')])
def test_a_class_that_is_never_drawn_or_half_as_often_is_found(
  digits, held_out_digits, share, word
):
  shares = np.ones(10)
  shares[7] = share
  images, _ = drawn(digits, shares)
  result = representation.audit(of_images(images, digits, held_out_digits), Settings())
  assert 'class 7 is ' in said(result, 'bad')
  assert word in said(result, 'bad')
  assert said(result, 'bad').count('class ') == 1
  estimate = result.numbers['share/class/7']
  true = share / shares.sum()
  assert estimate.low <= true <= estimate.high


def test_a_group_that_is_drawn_as_mud_is_found(digits, held_out_digits):
  images, labels = drawn(digits, np.ones(10))
  rng = np.random.default_rng(1)
  mud = labels == 3
  spread = images[mud].mean(axis=(1, 2, 3), keepdims=True)
  noise = rng.normal(0, 20, images[mud].shape)
  images[mud] = np.clip(0.5 * images[mud] + 0.5 * spread + noise, 0, 255).astype(np.uint8)
  subject = of_images(images, digits, held_out_digits, labels)
  result = representation.audit(subject, Settings())
  assert 'class 3 is drawn worse than the others' in said(result, 'bad')
  assert said(result, 'bad').count('worse') == 1


def test_a_folder_is_sampled_to_a_target_and_looked_at_again(digits, held_out_digits):
  shares = np.ones(10)
  shares[7] = 0.5
  images, _ = drawn(digits, shares, 4000)
  settings = Settings(target='class=uniform', mitigate=True)
  result = representation.audit(of_images(images, digits, held_out_digits), settings)
  assert 'sampled to the target of class' in said(result, 'good')
  estimate = result.numbers['to_target/class/share/class/7']
  assert estimate.low <= 0.1 <= estimate.high
  assert {'to_target/class/mmd_before', 'to_target/class/mmd_after'} <= set(result.numbers)


@pytest.mark.parametrize('conditional', [True, False])
def test_faults_come_first_and_only_of_generators_asked_for_classes_that_is_said(
  digits, held_out_digits, monkeypatch, conditional
):
  found = [Sentence(level, level) for level in ('unknown', 'note', 'good', 'bad')]
  monkeypatch.setattr(representation.shares, 'sentences', lambda one, scores: found)
  monkeypatch.setattr(Subject, 'conditional', conditional)
  images, _ = drawn(digits, np.ones(10), 50)
  result = representation.audit(of_images(images, digits, held_out_digits), Settings())
  levels = [each.level for each in result.sentences]
  assert levels == ['bad', 'good', *['note'] * (1 + conditional), 'unknown']
  assert ('Classes were asked for' in said(result, 'note')) == conditional


def test_without_classes_and_attributes_nothing_can_be_told(digits, held_out_digits, monkeypatch):
  images, _ = drawn(digits, np.ones(10), 50)
  subject = of_images(images, digits, held_out_digits)
  monkeypatch.setattr(subject, 'num_classes', 0)
  assert 'Nothing can be told' in said(representation.audit(subject, Settings()), 'unknown')


@pytest.mark.parametrize(
  ('settings', 'message'),
  [
    (Settings(attributes=('sex',)), '--attributes=sex: .* has no such; accepted: class'),
    (Settings(target='class'), '--target=class: accepted: '),
    (Settings(target='class=a:x'), "--target=class=a:x: 'a:x'; accepted"),
    (Settings(target='class=0:0.5,1:0.2'), 'the shares of class sum to 0.7'),
    (Settings(target='class=0:nan,1:1'), 'the shares of class sum to nan'),
    (Settings(target='class=0:-0.5,1:1.5'), 'accepted: shares from 0 that sum to 1'),
    (Settings(target='class=cat:1'), "class has no value 'cat'"),
    (Settings(target='clas=uniform'), "--target=clas: unknown; did you mean 'class'"),
    (Settings(mitigate=True), '--mitigate: 0 targets'),
    (Settings(target='no.json'), r'--target=no.json: No such file'),
  ],
)
def test_what_cannot_be_asked_for_is_one_line(digits, held_out_digits, settings, message):
  images, _ = drawn(digits, np.ones(10), 50)
  with pytest.raises(UserError, match=message):
    representation.audit(of_images(images, digits, held_out_digits), settings)


@pytest.mark.parametrize(
  ('content', 'accepted'),
  [
    ({'class': {'0': 0.25, '1': 0.75}, 'ink': 'uniform'}, True),
    ({'class': {'0': 0, '1': 1}}, True),
    ({'class': {'0': 'half', '1': 0.5}}, False),
    ({'class': {'0': [0.5], '1': 0.5}}, False),
    ({'class': 'even'}, False),
    ({'class': 0.5}, False),
    ({}, False),
    (['class'], False),
  ],
)
def test_a_file_of_targets_has_a_number_for_each_value_or_a_word(tmp_path, content, accepted):
  path = tmp_path / 'target.json'
  path.write_text(json.dumps(content))
  if accepted:
    assert target.parse(str(path)) == content
    return
  with pytest.raises(UserError, match=r'target.json: accepted: ATTRIBUTE=uniform'):
    target.parse(str(path))


def test_worse_groups_are_told_from_others_by_their_intervals():
  def one(distance, error, recall=0.5):
    estimate = lambda value, e: quality.Estimate(value, value - e, value + e)
    return quality.Quality(
      100, estimate(distance, error), estimate(0.0, 0.1), estimate(recall, 0.05)
    )

  assert quality.worse([one(1, 0.1), one(1, 0.1), one(5, 0.5)]) == [2]
  assert quality.worse([one(1, 0.1), one(1, 0.1), one(5, 4)]) == []
  assert quality.worse([one(1, 0.1), one(1, 0.1, recall=0.1)]) == [1]
  assert quality.worse([one(1, 0.1)]) == []
  few = quality.Quality(3)  # too few images for a score
  assert quality.worse([one(1, 0.1), few]) == []
  assert quality.worse([few, one(1, 0.1), one(1, 0.1), one(5, 0.5)]) == [3]


def test_a_group_of_too_few_generated_images_has_no_score_and_leaves_the_others_theirs():
  rng = np.random.default_rng(0)
  features = lambda groups: (rng.normal(size=(len(groups), 4)), groups)
  least = quality.LEAST
  groups_of = lambda *sizes: np.repeat([0, 1, -1], sizes)
  real, held_out = features(groups_of(80, 80, 5)), features(groups_of(least, least - 1, 0))
  scores, size = quality.of_groups(real, held_out, features(groups_of(70, least - 1, 9)), 2)
  assert (size, scores[1]) == (70, quality.Quality(least - 1))
  assert scores[0].generated == 70
  assert None not in (scores[0].distance, scores[0].floor, scores[0].recall, scores[0].ratio)
  scores, size = quality.of_groups(real, held_out, features(groups_of(70, least, 9)), 2)
  assert size == least
  assert [each.distance is None for each in scores] == [False, False]
  assert [each.floor is None for each in scores] == [False, True]  # by the held-out images
  scores, size = quality.of_groups(real, held_out, features(groups_of(3, 4, 0)), 2)
  assert (scores, size) == ([quality.Quality(3), quality.Quality(4)], 0)


class Known:
  """What groupings are made of: training and held-out images with attributes."""

  class_names = ()
  num_classes = 0

  def __init__(self, train, holdout):
    self.train, self.holdout = map(_Data, (train, holdout))


class _Data:
  num_classes = 0
  name = 'known'

  def __init__(self, columns):
    self._columns = {name: np.array(values) for name, values in columns.items()}
    self.attribute_names = tuple(columns)

  def __len__(self):
    return len(next(iter(self._columns.values())))

  def attributes(self, rows):
    return {name: values[rows] for name, values in self._columns.items()}


def test_groupings_are_values_ranges_and_intersections():
  rng = np.random.default_rng(0)

  def columns(count):
    return {
      'sex': rng.choice(['f', 'm', ''], count, p=[0.5, 0.4, 0.1]),
      'age': np.where(rng.random(count) < 0.1, np.nan, rng.uniform(20, 80, count)),
      'id': np.array([f'p{i}' for i in range(count)]),
      'rare': np.where(np.arange(count) < 12, 'x', 'y'),
    }

  found, refused = groups.of_subject(Known(columns(800), columns(400)), None)
  by_name = {each.name: each for each in found}
  assert set(by_name) == {'sex', 'age', 'sex x age'}
  assert by_name['sex'].categories == ('f', 'm')
  assert by_name['sex'].train.min() == -1
  np.testing.assert_allclose(by_name['age'].data_shares, 0.25, atol=0.02)
  assert len(by_name['sex x age'].categories) == 8
  sexes, ages = by_name['sex'].train, by_name['age'].train
  known = (sexes >= 0) & (ages >= 0)
  crossed = by_name['sex x age']
  np.testing.assert_array_equal(crossed.train[known], crossed.pairs[sexes[known], ages[known]])
  assert {each.name for each in refused} == {'id', 'rare'}


def test_many_values_are_a_category_where_each_has_images_enough():
  columns = lambda each: {'site': np.repeat([f's{n}' for n in range(30)], each)}
  (found,), refused = groups.of_subject(Known(columns(20), columns(10)), None)
  assert len(found.categories) == 30
  assert not refused
  found, (refused,) = groups.of_subject(Known(columns(19), columns(10)), None)
  assert not found
  assert '30 values, most of them rare' in refused.reason


@pytest.mark.parametrize('accuracy', [0.7, 0.95])
def test_images_kept_to_a_target_have_its_shares_and_intervals_that_know_of_the_keeping(accuracy):
  rng = np.random.default_rng(0)
  truth, wanted = np.array([0.1, 0.3, 0.6]), np.array([0.15, 0.35, 0.5])
  rates = np.full((3, 3), (1 - accuracy) / 2)
  np.fill_diagonal(rates, accuracy)
  weights = mitigation.keeping(truth, rates, wanted)
  assert weights.max() == pytest.approx(1)
  kept = rates * weights[:, None] * truth
  np.testing.assert_allclose(kept.sum(axis=0) / kept.sum(), wanted, atol=1e-6)
  # What is counted among those kept, with the errors among held-out images kept alike.
  held_out = np.stack([rng.multinomial(20_000, rates[:, k]) for k in range(3)], axis=1)
  counts = rng.multinomial(100_000, kept.sum(axis=1) / kept.sum())
  found = adjusted.shares(counts, held_out * weights[:, None])
  for estimate, share in zip(found.estimates, wanted, strict=True):
    assert estimate.low <= share <= estimate.high


def test_a_target_that_the_predictor_cannot_separate_is_come_as_near_to_as_can_be():
  rates = np.array([[0.5, 0.45], [0.5, 0.55]])
  weights = mitigation.keeping(np.array([0.5, 0.5]), rates, np.array([1.0, 0.0]))
  np.testing.assert_allclose(weights, [1, 0], atol=1e-9)  # 0.526 is the most that there can be


def sorting(rates, held_out=400, categories='abcd'):
  """A predictor with known errors, in columns, and a function that draws what it says."""
  rates = np.asarray(rates)
  K = len(rates)
  truth = np.repeat(np.arange(K), held_out)
  rng = np.random.default_rng(0)
  said = np.array([rng.choice(K, p=rates[:, k]) for k in truth])
  grouping = groups.Grouping('kind', tuple(categories[:K]), truth, truth)
  confusion = adjusted.counted(truth, said, K)
  predictor = Predictor(grouping, grouping, np.arange(K), (), confusion, 0.0)

  def say(mix, count, seed):
    rng = np.random.default_rng(seed)
    of = rng.choice(K, count, p=mix)
    found = (rng.random((count, 1)) > rates.cumsum(axis=0)[:, of].T).sum(axis=1)
    return Said(found, np.ones(count))

  return predictor, say


# It guesses between a and c, and tells b and d well.
GUESSES = np.array(
  [[0.45, 0.05, 0.45, 0.0], [0.1, 0.9, 0.1, 0.1], [0.45, 0.05, 0.45, 0.0], [0.0, 0.0, 0.0, 0.9]]
)


def test_categories_that_are_not_told_apart_are_counted_as_one():
  predictor, say = sorting(GUESSES)
  mix = [0.1, 0.2, 0.3, 0.4]
  found = shares.of_grouping(predictor, say(mix, 20_000, 1), {})
  grouping = found.predictor.grouping
  assert grouping.categories == ('a or c', 'b', 'd')
  assert found.predictor.into.tolist() == [0, 1, 0, 2]
  for estimate, share in zip(found.found.estimates, (0.4, 0.2, 0.4), strict=True):
    assert estimate.low <= share <= estimate.high
    assert estimate.high - estimate.low < 0.1
  np.testing.assert_allclose(grouping.data_shares, [0.5, 0.25, 0.25])
  assert np.bincount(grouping.holdout).tolist() == [800, 400, 400]
  told = shares.sentences(found, [])
  assert any('a, c are counted as one' in each.text for each in told)


def test_a_table_says_of_each_category_how_sure_the_predictor_and_the_difference_are():
  rates = np.array([[0.9, 0.2], [0.1, 0.8]])
  confusion = np.rint(1000 * rates).astype(int)
  truth = np.repeat([0, 1], 1000)
  grouping = groups.Grouping('kind', ('a', 'b'), truth, truth)
  predictor = Predictor(grouping, grouping, np.arange(2), (), confusion, 0.0)
  said = Said(np.repeat([0, 1], [550, 450]), np.ones(1000))  # halves, as in the data
  found = shares.of_grouping(predictor, said, {})
  for scores in ([], [quality.Quality(550), quality.Quality(450)]):
    table = shares.table(found, scores, 50)
    rows = [dict(zip(table.headings, row, strict=True)) for row in table.rows]
    assert [row['recognised of held-out'] for row in rows] == ['90 %', '80 %']
    assert [float(row['p']) for row in rows] == pytest.approx([1, 1])
    assert not table.bad
  assert [row['kernel distance (N=50)'] for row in rows] == ['too few: 550', 'too few: 450']


def test_a_table_has_the_scores_of_each_category_that_there_are():
  truth = np.repeat([0, 1], 100)
  grouping = groups.Grouping('kind', ('a', 'b'), truth, truth)
  predictor = Predictor(grouping, grouping, np.arange(2), (), np.diag([100, 100]), 0.0)
  found = shares.of_grouping(predictor, Said(truth, np.ones(200)), {})
  of = lambda value: quality.Estimate(value, value - 0.125, value + 0.125)
  scores = [quality.Quality(7), quality.Quality(100, of(0.25), None, of(0.5), of(1.0))]
  table = shares.table(found, scores, 50)
  assert [row[-4:] for row in table.rows] == [
    ('too few: 7', '–', '–', '–'),
    ('0.25 (0.125 to 0.375)', '–', '0.5 (0.375 to 0.625)', '1 (0.875 to 1.12)'),
  ]


@pytest.mark.parametrize(
  ('share', 'p', 'level', 'words'),
  [
    (0.05, 0.01, 'bad', 'kind a is hardly ever drawn: 5 % (3 to 7), 50 % of the data'),
    (0.38, 0.01, 'bad', 'kind a is drawn too rarely: 38 % (36 to 40), 50 % of the data'),
    (0.42, 0.01, 'note', 'kind: shown to differ, by less than a fifth: a 42 % (40 to 44), 50 %'),
    (0.60, 0.01, 'note', 'kind: shown to differ, by less than a fifth: a 60 % (58 to 62), 50 %'),
    (0.65, 0.01, 'bad', 'kind a is drawn too often: 65 % (63 to 67), 50 % of the data'),
    (0.65, 0.06, 'good', 'kind: no share is shown to differ from that of the data'),
  ],
)
def test_a_share_is_a_fault_where_it_is_shown_to_be_off_by_a_fifth(share, p, level, words):
  truth = np.repeat([0, 1], 100)
  grouping = groups.Grouping('kind', ('a', 'b'), truth, truth)
  predictor = Predictor(grouping, grouping, np.arange(2), (), np.diag([100, 100]), 0.0)
  values = np.array([share, 1 - share])
  found = adjusted.Adjusted(values, [quality.Estimate(v, v - 0.02, v + 0.02) for v in values])
  said = Said(truth, np.ones(200))
  one = shares.Shares(predictor, said, found, None, np.array([p, 1.0]))
  (told,) = shares.sentences(one, [])
  assert (told.level, told.text[: len(words)]) == (level, words)
  assert shares.table(one, [], 0).bad == ({0} if level == 'bad' else set())


@pytest.mark.parametrize(
  ('known', 'refused', 'message'),
  [
    (['ink'], [], '--target=ikn: unknown; did you mean .ink'),
    (['ink'], ['ikn'], '--target=ikn: its shares cannot be told; did you mean .ink'),
    ([], ['ikn'], '--target=ikn: its shares cannot be told; nothing: the data have no groups'),
  ],
)
def test_a_target_of_what_is_not_there_or_cannot_be_told_says_which(known, refused, message):
  none = np.zeros(1, int)
  groupings = [groups.Grouping(name, ('a', 'b'), none, none) for name in known]
  with pytest.raises(UserError, match=message):
    target.check({'ikn': 'uniform'}, groupings, refused)


def test_a_target_of_categories_that_are_counted_as_one_is_their_sum():
  predictor, say = sorting(GUESSES)
  targets = {'kind': {'a': 0.1, 'b': 0.2, 'c': 0.3, 'd': 0.4}}
  found = shares.of_grouping(predictor, say([0.3, 0.2, 0.1, 0.4], 20_000, 2), targets)
  np.testing.assert_allclose(found.wanted, [0.4, 0.2, 0.4])
  again = shares.of_grouping(found.predictor, found.said, targets)  # as after sampling to it
  np.testing.assert_allclose(again.wanted, found.wanted)
  assert found.p.min() > 0.001


def test_intervals_of_categories_counted_as_one_hold_their_share():
  predictor, say = sorting(GUESSES)
  held = 0
  for seed in range(50):
    found = shares.of_grouping(predictor, say([0.05, 0.55, 0.1, 0.3], 2_000, 10 + seed), {})
    low, high = found.found.estimates[0][1:]
    held += low <= 0.15 <= high
  assert held >= 44


def test_of_two_categories_that_are_not_told_apart_nothing_is_told():
  guess = np.full((2, 2), 0.5)
  predictor, say = sorting(guess)
  found = shares.of_grouping(predictor, say([0.2, 0.8], 1_000, 0), {})
  assert 'not shown to tell any of a, b from the others' in found.text
  predictor, say = sorting(np.full((4, 4), 0.25))
  assert found.level == shares.of_grouping(predictor, say([0.25] * 4, 1_000, 0), {}).level


def test_an_intersection_keeps_its_pairs_when_categories_are_taken_for_one():
  pairs = np.array([[0, 1], [2, -1]])
  places = np.array([2, 0, -1, 1])
  grouping = groups.Grouping('x', ('p', 'q', 'r'), places, places, ('u', 'v'), pairs)
  made, into = grouping.merged(0, 2)
  assert into.tolist() == [0, 1, 0]
  assert made.categories == ('p or r', 'q')
  np.testing.assert_array_equal(made.pairs, [[0, 1], [0, -1]])
  np.testing.assert_array_equal(made.train, [0, 0, -1, 1])
  thrice, _ = made.merged(0, 1)
  assert thrice.members == (('p', 'r', 'q'),)
