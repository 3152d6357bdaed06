import numpy as np
import pytest

from gan_jax.audit.screen import Screen, screen, screened
from gan_jax.errors import UserError
from gan_jax.sampling.plan import plan
from tests.audit import drawn as audited
from tests.sampling import drawn


def darkness(images):
  """A p-value that keeps about half of the images of an untrained generator."""
  return images.mean(axis=(1, 2, 3)) / 255


@pytest.fixture(scope='module')
def asked():
  return plan(drawn.model(), 3, 12, [0, 2])


@pytest.fixture(scope='module')
def middle(asked):
  return float(np.median([image.mean() for image in asked.images()])) / 255


def test_what_is_left_out_is_drawn_again_in_the_same_class(asked, middle):
  found, left_out = screened(asked, Screen({'outside': (darkness, middle)}))
  images = np.stack(list(found.images()))
  assert np.all(darkness(images) > middle)
  assert np.array_equal(found.labels, asked.labels)
  assert len({*found.places}) == 12
  before = np.stack(list(asked.images()))
  kept = darkness(before) > middle
  assert np.array_equal(images[kept], before[kept])
  assert left_out['outside'] >= np.sum(~kept) > 0
  assert found.recipe(0)['Kept within'].startswith('p > 0.')


def test_an_image_at_the_level_itself_is_left_out_and_each_test_counts_its_own():
  images = np.array([0.0, 0.05, 0.051, 0.5])
  found = Screen({'outside': (lambda x: x, 0.05), 'copies': (lambda x: 0.5 - x, 0.0)})
  keep, counts = found.kept(images)
  assert keep.tolist() == [False, False, True, False]
  assert counts == {'outside': 2, 'copies': 1}


def test_images_of_seeds_keep_their_seed(middle):
  asked = plan(drawn.model(), [5, 9, 11], 3, [1])
  found, _ = screened(asked, Screen({'copies': (darkness, middle / 1.02)}))
  assert found.seeds == asked.seeds


def test_what_can_never_be_kept_is_refused(asked):
  with pytest.raises(
    UserError, match=r'12 of 12 images were left out 20 times over \(outside: 240'
  ):
    screened(asked, Screen({'outside': (lambda images: np.zeros(len(images)), 0.05)}))


def test_what_is_asked_for_is_calibrated_on_held_out_images():
  rng = np.random.default_rng(0)
  train, held, fresh = (audited.blots(rng, count) for count in (400, 200, 60))
  subject = audited.subject(fresh, audited.Drawn('train', train), audited.Drawn('test', held))
  fresh[:20] = rng.integers(0, 256, fresh[:20].shape)  # noise
  fresh[20:40] = train[:20]
  noise, copied = np.arange(60) < 20, (np.arange(60) >= 20) & (np.arange(60) < 40)
  keep, counts = screen(subject, 0.05, False).kept(fresh)
  assert not keep[noise].any()
  assert keep[~noise].mean() > 0.85
  assert counts == {'outside': np.sum(~keep)}
  keep, counts = screen(subject, None, True).kept(fresh)
  assert not keep[copied].any()
  assert keep[~copied & ~noise].mean() > 0.85
  assert list(counts) == ['copies']
  keep, counts = screen(subject, 0.05, True).kept(fresh)
  assert not keep[noise | copied].any()
  assert list(counts) == ['outside', 'copies']
  assert screen(subject, None, False).kept(fresh)[0].all()
