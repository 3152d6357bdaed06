import importlib

import pytest

from gan_jax import registry
from gan_jax.data import limits


@pytest.mark.parametrize('name', registry.names('data.datasets'))
def test_every_dataset_says_what_it_is_not_for(name):
  module = importlib.import_module(f'gan_jax.data.datasets.{name}')
  found = limits.of_dataset(module.__doc__, {}, 'uint8')
  assert len(found['not_for']) > 20
  assert found['not_for'] in limits.text(found)


def test_what_the_user_says_goes_before_the_description():
  found = limits.of_dataset('Images. Not for: children.', {'not_for': 'sale'}, 'uint8')
  assert found == {'not_for': 'sale', 'medical': False, 'modality': ''}
  assert limits.of_dataset('Not for: a\n b.\n\nMore.', {}, 'uint8')['not_for'] == 'a b.'
  assert limits.sentences(found)[0] == 'The data are not for: sale.'
  assert limits.first_line(found) == ''


@pytest.mark.parametrize(
  ('metadata', 'dtype'),
  [({'medical': True}, 'uint8'), ({'modality': 'MR'}, 'uint8'), ({}, 'uint16')],
)
def test_images_of_medicine_are_for_no_patient(metadata, dtype):
  found = limits.of_dataset('', metadata, dtype)
  assert found['medical']
  assert limits.first_line(found).startswith('! Not for clinical use: images of medicine')
  assert 'any decision about a patient' in limits.text(found)
