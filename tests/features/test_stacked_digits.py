import jax
import numpy as np
import pytest

from gan_jax.errors import UserError
from gan_jax.features import classifier, stacked_digits
from gan_jax.features.network import Request


class Stacked:
  """What `load` reads of a dataset: stacks of the held-out digits."""

  name = 'stacked_digits test'
  num_classes = 1000

  def __init__(self, digits, count, seed=0):
    everything = digits.fetch(np.arange(len(digits)))
    rows = np.random.default_rng(seed).integers(0, len(digits), (count, 3))
    self.images = np.concatenate([everything['image'][rows[:, i]] for i in range(3)], axis=-1)
    self.singles = everything['label'][rows]
    self.labels = self.singles @ np.array([100, 10, 1])
    self.shape = self.images.shape[1:]
    self.class_names = [f'{label:03d}' for label in range(1000)]

  def __len__(self):
    return len(self.images)

  def fetch(self, rows):
    return {'image': self.images[rows], 'label': self.labels[rows]}


@pytest.fixture(scope='module')
def stacked(held_out_digits):
  return Stacked(held_out_digits, 300)


@pytest.fixture(scope='module')
def network(stacked):
  return stacked_digits.load(Request(stacked, stacked))


def test_features_and_logits_are_those_of_the_channels(network, stacked, digits, held_out_digits):
  images = stacked.images[:4]
  features, logits = jax.jit(network.apply)(network.params, images)
  assert features.shape == (4, 384)
  assert logits.shape == (4, 1000)
  single = classifier.load(Request(digits, held_out_digits))
  apply = jax.jit(single.apply)
  parts = [apply(single.params, images[..., i : i + 1]) for i in range(3)]
  np.testing.assert_allclose(
    features, np.concatenate([f for f, _ in parts], axis=1), rtol=1e-4, atol=1e-5
  )
  log_probabilities = [x - np.log(np.exp(x).sum(1, keepdims=True)) for _, x in parts]
  red, green, blue = log_probabilities
  for label in (0, 7, 42, 390, 999):
    expected = red[:, label // 100] + green[:, label // 10 % 10] + blue[:, label % 10]
    np.testing.assert_allclose(logits[:, label], expected, rtol=1e-4, atol=1e-4)
  np.testing.assert_allclose(np.exp(logits).sum(axis=1), 1, rtol=1e-4)


def test_its_accuracy_is_that_all_three_digits_are_recognised(network, stacked):
  _, logits = jax.jit(network.apply)(network.params, stacked.images)
  share = np.mean(np.argmax(logits, axis=1) == stacked.labels)
  assert network.description['holdout_accuracy'] == pytest.approx(share)
  assert share > 0.7
  assert network.classes == 'dataset'


def test_unrounded_pixels_give_the_same_as_their_integers(network, stacked):
  apply = jax.jit(network.apply)
  whole, _ = apply(network.params, stacked.images[:2])
  unrounded, _ = apply(network.params, stacked.images[:2].astype(np.float32))
  np.testing.assert_allclose(unrounded, whole, rtol=1e-5, atol=1e-5)


def test_another_dataset_is_refused(digits, held_out_digits):
  with pytest.raises(UserError, match='digits test has 1 channels and 10 classes') as raised:
    stacked_digits.load(Request(digits, held_out_digits))
  assert len(str(raised.value).splitlines()) == 1
  other = Stacked(held_out_digits, 2)
  other.class_names[3] = 'three'
  with pytest.raises(UserError, match="'stacked_digits' is of dataset stacked_digits alone"):
    stacked_digits.load(Request(other, other))
