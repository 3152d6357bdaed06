import pytest

from gan_jax import registry
from gan_jax.errors import UserError
from gan_jax.evaluation import keys


def test_a_key_is_metric_and_features_but_for_scores_of_the_images_themselves():
  found = keys.ordering(('fd', 'precision_recall', 'cas'), ('classifier', 'pixels'), 'antialias')
  assert found == {
    'fd_classifier': False,
    'fd_pixels': False,
    'precision_classifier': True,
    'precision_pixels': True,
    'recall_classifier': True,
    'recall_pixels': True,
    'cas': True,
  }


def test_legacy_is_part_of_the_name_of_features_that_resize():
  own_size = {'classifier', 'stacked_digits'}  # taught by images of a dataset as they are
  for name in registry.names('features'):
    (key,) = keys.ordering(('fd',), (name,), 'legacy')
    assert key == (f'fd_{name}' if name in own_size else f'fd_{name}_legacy')


def test_scores_without_a_better_end_are_not_among_them():
  assert keys.ordering(('nearest',), ('pixels',), 'antialias') == {}


def test_an_unknown_name_is_refused():
  with pytest.raises(UserError, match='unknown'):
    keys.ordering(('fid',), ('pixels',), 'antialias')


def test_every_module_says_what_it_gives_and_takes():
  for name in registry.names('metrics'):
    module = registry.find('metrics', name, '')
    assert set(module.SCORES.values()) <= {True, False, None}
    known = {'labels', 'real_labels', 'logits', 'class_logits', 'held_out', 'images', 'pairs'}
    assert set(module.NEEDS) <= known
  for name in registry.names('features'):
    module = registry.find('features', name, '')
    assert {type(module.RESIZES), type(module.TAKES_WEIGHTS)} == {bool}
