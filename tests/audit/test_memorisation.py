import numpy as np
import pytest

from gan_jax.audit import copying, memorisation, views
from gan_jax.errors import UserError
from tests.audit import drawn


def changed(images):
  """Shifted and dimmed."""
  return (0.8 * np.roll(images, (1, -1), (1, 2)) + 8).astype(np.uint8)


@pytest.fixture
def blots():
  rng = np.random.default_rng(0)
  train, held, fresh = (drawn.blots(rng, count) for count in (600, 300, 1000))
  return drawn.Drawn('train', train), drawn.Drawn('test', held), fresh


def by_level(result, level):
  return [s.text for s in result.sentences if s.level == level]


def test_a_model_that_copies_nothing_is_told_so(blots):
  train, held, fresh = blots
  result = memorisation.audit(drawn.subject(fresh, train, held), memorisation.Settings())
  copies, floor, excess = (result.numbers[f'copies{end}'] for end in ('', '_floor', '_excess'))
  assert floor.value == pytest.approx(3 / 301)
  assert copies.value < 0.04
  assert excess.low < 0
  assert not by_level(result, 'bad')
  assert result.about['views'] == ['aligned_pixels', 'pixels']
  for way in result.about['views']:
    membership = result.numbers[f'membership_distance_{way}']
    assert membership.low < 0.5 < membership.high


def test_membership_is_not_told_by_features_that_learnt_from_the_data(blots):
  train, held, fresh = blots
  subject = drawn.subject(fresh[:50], train, held)
  embedder = subject.embedder('pixels')
  embedder.network = embedder.network._replace(classes='dataset')
  result = memorisation.audit(subject, memorisation.Settings())
  ways = [key for key in result.numbers if key.startswith('membership_')]
  assert ways == ['membership_distance_aligned_pixels']


def test_membership_is_of_groups_where_both_sides_of_the_split_know_them(blots):
  train, held, fresh = blots
  groups = np.repeat(np.arange(20), 3).astype(str)
  images = [each.fetch(np.arange(60))['image'] for each in (train, held)]

  def told(*known):
    sides = zip(('train', 'test'), images, known, strict=True)
    parts = [drawn.Drawn(name, own, groups=of) for name, own, of in sides]
    result = memorisation.audit(drawn.subject(fresh[:50], *parts), memorisation.Settings(0.1))
    return result.numbers['membership_distance_pixels']

  plain = told(None, None)
  assert told(None, groups) == told(groups, None) == plain
  assert told(groups, groups) != plain


def test_without_the_discriminator_of_a_run_that_is_said_and_distances_are_told(blots, monkeypatch):
  def gone(subject):
    raise UserError('runs/a: holds no checkpoint of step 5')

  train, held, fresh = blots
  monkeypatch.setattr(memorisation.membership, 'logits', gone)
  subject = drawn.subject(fresh[:50], train, held, run=object())
  result = memorisation.audit(subject, memorisation.Settings())
  assert any('discriminator: runs/a: holds no' in text for text in by_level(result, 'unknown'))
  assert 'membership_discriminator' not in result.numbers
  assert 'membership_distance_pixels' in result.numbers


def test_by_few_held_out_images_those_beyond_all_of_them_are_suspected_and_the_rate_is_told(blots):
  train, held, fresh = blots
  fresh[:5] = train.fetch(np.arange(5))['image']
  few = drawn.Drawn('test', held.fetch(np.arange(20))['image'])
  result = memorisation.audit(drawn.subject(fresh[:50], train, few), memorisation.Settings())
  suspected = result.about['suspected']
  assert set(range(5)) <= set(suspected)
  assert sorted(int(row[0]) for row in result.tables[0].rows) == suspected
  assert any('tell no rate below 0.048' in text for text in by_level(result, 'unknown'))


def test_planted_copies_are_found_and_shown(blots):
  train, held, fresh = blots
  planted = np.arange(0, 1000, 100)  # 1 %
  fresh[planted] = changed(train.fetch(np.arange(10))['image'])
  result = memorisation.audit(drawn.subject(fresh, train, held), memorisation.Settings())
  assert set(planted) <= set(result.about['suspected'])
  pairs = {(row[0], row[1]) for row in result.tables[0].rows}
  rows = result.about['suspected']
  assert len(pairs) == len(rows)
  assert sum((f'{image}', f'{of}') in pairs for of, image in enumerate(planted)) >= 9
  assert result.pictures[0].pixels.shape[1] == 8 * 16


def test_the_most_suspicious_pairs_come_first(blots):
  train, held, fresh = blots
  fresh[:10] = changed(train.fetch(np.arange(10))['image'])
  fresh[990:] = train.fetch(np.arange(10, 20))['image']  # to the bit
  result = memorisation.audit(drawn.subject(fresh, train, held), memorisation.Settings())
  rows = result.tables[0].rows
  assert {(row[0], row[1]) for row in rows[:10]} == {(f'{990 + k}', f'{10 + k}') for k in range(10)}
  assert [float(row[4]) for row in rows] == sorted(float(row[4]) for row in rows)
  np.testing.assert_array_equal(result.pictures[0].pixels[:16, :16], fresh[int(rows[0][0])])


def test_copying_of_many_is_bad_and_tells_members(blots):
  train, held, fresh = blots
  fresh[:200] = changed(train.fetch(np.arange(200))['image'])
  result = memorisation.audit(drawn.subject(fresh, train, held), memorisation.Settings())
  assert result.numbers['copies_excess'].low > 0.1
  assert result.numbers['membership_distance_aligned_pixels'].low > 0.5
  assert len(by_level(result, 'bad')) == 2


def test_held_out_images_that_are_training_images_are_told_and_not_calibrated_by(blots):
  train, held, fresh = blots
  leaked = held.fetch(np.arange(300))['image']
  leaked[:6] = changed(train.fetch(np.arange(6))['image'])
  result = memorisation.audit(
    drawn.subject(fresh, train, drawn.Drawn('test', leaked)), memorisation.Settings()
  )
  assert result.about['calibrated_on'] == 294
  assert '6 of 300 held-out images are in the training data' in by_level(result, 'bad')[0]
  assert result.numbers['copies'].value < 0.04


def patients(rng, names, images):
  """Images of patients: blots of their own, moved and lit otherwise each time."""
  own = drawn.blots(rng, len(names), blots=4)
  found = np.repeat(own, images, axis=0).astype(float)
  moved = [np.roll(each, rng.integers(-1, 2, 2), (0, 1)) for each in found]
  light = rng.uniform(0.8, 1.1, (len(found), 1, 1, 1))
  noisy = np.stack(moved) * light + rng.normal(0, 6, found.shape)
  return noisy.clip(0, 255).astype(np.uint8), np.repeat(names, images)


def test_a_patient_on_both_sides_of_the_split_is_found():
  rng = np.random.default_rng(0)
  images, groups = patients(rng, np.array([f'p{i:03}' for i in range(120)]), 6)
  held = np.isin(groups, [f'p{i:03}' for i in range(100, 120)])
  groups[groups == 'p007'] = np.where(np.arange(6) < 3, 'p007', 'p110')
  held[groups == 'p110'] = True  # three images of p007 under the name of another
  images = images[np.r_[np.flatnonzero(~held), np.flatnonzero(held)]]
  split, count = np.r_[groups[~held], groups[held]], int((~held).sum())
  split[count:][split[count:] == 'p110'] = np.repeat(['q110', 'p110'], [3, 6])
  train = drawn.Drawn('train', images[:count], groups=split[:count])
  test = drawn.Drawn('test', images[count:], groups=split[count:])
  subject = drawn.subject(drawn.blots(rng, 50, 4), train, test)
  result = memorisation.audit(subject, memorisation.Settings())
  (table,) = [table for table in result.tables if 'Held-out groups' in table.title]
  assert ('q110', 'p007') in [row[:2] for row in table.rows]
  assert len(table.rows) <= 3
  assert any('one patient under two names' in text for text in by_level(result, 'bad'))


def test_groups_that_share_a_name_are_told():
  rng = np.random.default_rng(0)
  train = drawn.Drawn('train', drawn.blots(rng, 60), groups=np.repeat(np.arange(20), 3).astype(str))
  test = drawn.Drawn(
    'test', drawn.blots(rng, 30), groups=np.repeat(np.arange(19, 29), 3).astype(str)
  )
  subject = drawn.subject(drawn.blots(rng, 40), train, test)
  result = memorisation.audit(subject, memorisation.Settings(false_alarms=0.1))
  assert any(
    '1 groups are on both sides of the split, such as 19' in s.text for s in result.sentences
  )
  assert result.about['unit'] == 'held-out images, one of each group'
  assert result.about['calibrated_on'] == 10


def test_too_few_groups_or_images_are_said_to_be_so(blots):
  train, held, fresh = blots
  subject = drawn.subject(fresh, train, drawn.Drawn('test', held.fetch(np.arange(20))['image']))
  units = views.units(subject, 0.01)
  assert units.level == pytest.approx(1 / 21)
  assert '20 held-out images tell no rate below 0.048' in units.caution
  groups = np.repeat(np.arange(30), 10).astype(str)
  grouped = drawn.Drawn('test', held.fetch(np.arange(300))['image'], groups=groups)
  units = views.units(drawn.subject(fresh, train, grouped), 0.01)
  assert len(units.rows) == 300
  assert 'of 30 groups, too few for a rate of 0.01' in units.caution
  with pytest.raises(UserError, match=r'--false_alarms=1: accepted: above 0 and below 1'):
    copying.Detector(subject, 1)


@pytest.mark.parametrize(
  ('sizes', 'several'), [((1,) * 12, False), ((6, 6), False), ((4, 4, 4), True), ((), False)]
)
def test_groups_are_compared_where_there_are_more_than_two_and_some_have_several_images(
  sizes, several
):
  images = drawn.blots(np.random.default_rng(0), 18)
  groups = np.repeat(np.arange(len(sizes)), sizes).astype(str) if sizes else None
  train, test = drawn.Drawn('train', images[:12], groups=groups), drawn.Drawn('test', images[12:])
  assert copying.Detector(drawn.subject(images[12:], train, test), 0.5).several == several
