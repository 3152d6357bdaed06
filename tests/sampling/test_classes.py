import pytest

from gan_jax.errors import UserError
from gan_jax.sampling.classes import read_classes


@pytest.mark.parametrize('text', ['3', '-1', 'x', '1,,2', '0 1', '3:2', '²'])
def test_classes_that_the_model_does_not_have_are_refused(text):
  with pytest.raises(UserError, match='is no class; accepted: 0 to 2'):
    read_classes(text, 3)


@pytest.mark.parametrize('text', ['1:0', '1:x', '0,1:', '2:1001', '1:-1', '1:1.5'])
def test_a_number_of_times_that_means_nothing_is_refused(text):
  with pytest.raises(UserError, match='accepted: CLASS:TIMES, from 1 to 1000 times'):
    read_classes(text, 3)


def test_classes_are_read_and_default_to_all():
  assert read_classes('2,0', 3) == [2, 0]
  assert read_classes('', 3) == read_classes(None, 3) == [0, 1, 2]
  assert read_classes('', 0) == [0]
  assert read_classes(2, 3) == [2]
  assert read_classes([2, 'cat'], 3, ('cat', 'dog', 'cow')) == [2, 0]
  for classes in ('1', 1, [1]):
    with pytest.raises(UserError, match='unconditional'):
      read_classes(classes, 0)
  with pytest.raises(UserError, match='no class is named'):
    read_classes([], 3)


def test_classes_are_named_too():
  names = ('cat', 'dog', 'a, b')
  assert read_classes('dog,cat', 3, names) == [1, 0]
  assert read_classes('2, cat', 3, names) == [2, 0]
  assert read_classes('a, b', 3, names) == [2]
  with pytest.raises(UserError, match=r"'dgo' is no class; .*did you mean 'dog'"):
    read_classes('dgo', 3, names)
  # Where names look like numbers, they are what is meant, but not by a number.
  assert read_classes('7', 2, ('3', '7')) == [1]
  assert read_classes([1], 2, ('1', '0')) == [1]


def test_classes_come_as_often_as_is_said():
  names = ('cat', 'dog', 'a:2')
  assert read_classes('cat:3,dog', 3, names) == [0, 0, 0, 1]
  assert read_classes('2:2', 3) == [2, 2]
  assert read_classes('a:2,a:2:2', 3, names) == [2, 2, 2]  # a name comes first
