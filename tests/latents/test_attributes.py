import numpy as np
import pytest

from gan_jax.errors import UserError
from gan_jax.latents.attributes import predictor, questions


def test_columns_become_questions_of_yes_or_no():
  nan = np.nan
  found = questions(
    {
      'smiling': np.array([-1.0, 1, 1, nan]),
      'age': np.array([20.0, 30, 40, 50]),
      'hair': np.array(['red', '', 'black', 'grey']),
      'sex': np.array(['f', 'm', 'm', 'f']),
      'name': np.array(['a', 'b', 'c', 'd'] * 1),
      'site': np.array(['x', 'x', 'x', 'x']),
      'empty': np.full(4, nan),
    }
  )
  np.testing.assert_array_equal(found['smiling'], [0, 1, 1, nan])
  np.testing.assert_array_equal(found['age'], [0, 0, 1, 1])
  np.testing.assert_array_equal(found['hair=red'], [1, nan, 0, 0])
  np.testing.assert_array_equal(found['sex=m'], [0, 1, 1, 0])
  assert 'sex=f' not in found
  assert not {'site=x', 'empty'} & set(found)


def test_texts_of_many_values_and_answers_that_all_have_are_no_questions():
  names = np.array([f'person {n}' for n in range(100)])
  rare = np.array([1.0] + [0.0] * 99)
  assert questions({'name': names, 'rare': rare}) == {}


def test_a_predictor_tells_what_it_has_learnt_and_says_how_well():
  rng = np.random.default_rng(0)
  features = rng.normal(size=(800, 5))
  answers = (features[:, 2] > 0.3).astype(float)
  answers[::7] = np.nan
  found = predictor(features, answers, 'x')
  assert found.accuracy > 0.9
  new = rng.normal(size=(200, 5))
  assert np.corrcoef(found(new), new[:, 2])[0, 1] > 0.95
  assert np.all((found.probability(new) > 0.5) == (found(new) > 0))
  by_chance = predictor(features, rng.integers(0, 2, 800).astype(float), 'x')
  assert abs(by_chance.accuracy - 0.5) < 0.12


def test_too_few_answers_are_refused():
  with pytest.raises(UserError, match='--by=attributes: hat: less than 4 images'):
    predictor(np.zeros((9, 2)), np.array([1.0] + [0.0] * 8), 'hat')
