"""A dataset of dots, to try what the builders share."""

import importlib
import pkgutil
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds

from gan_jax.data import by_name, datasets
from gan_jax.data.datasets import packaged
from gan_jax.errors import UserError
from tests.data.datasets import trees

MODULES = [
  importlib.import_module(f'{datasets.__name__}.{m.name}')
  for m in pkgutil.iter_modules(datasets.__path__)
]
BUILDERS = [module for module in MODULES if hasattr(module, 'Builder')]


class Dots(packaged.PackagedBuilder, skip_registration=True):
  """Grey squares of a brightness, as many as are asked for."""

  name = 'dots'
  SHAPE = (4, 4, 1)
  CLASSES = ('light', 'dark')
  LICENCE = 'none'
  HOMEPAGE = 'https://example.org'
  LISTED = ()

  def examples(self):
    yield from self.LISTED


def example(number, label='light', group='', split='', belongs=True):
  pixels = np.full((4, 4, 1), number, np.uint8)
  load = lambda: pixels if belongs else None
  return packaged.Example(f'n{number}', label, load, group or f'g{number}', split)


@pytest.fixture
def prepared(tmp_path, monkeypatch):
  def prepare(examples, folder='data'):
    monkeypatch.setattr(Dots, 'LISTED', examples)
    builder = Dots(data_dir=tmp_path / folder)
    builder.download_and_prepare(file_format='array_record')
    return builder

  return prepare


def splits(builder):
  """Names of the examples of each split."""
  return {
    split: {record['name'].decode() for record in builder.as_data_source(split)}
    for split in builder.info.splits
  }


@pytest.mark.parametrize('module', BUILDERS, ids=lambda module: module.__name__.split('.')[-1])
def test_each_dataset_states_its_source_licence_size_and_what_it_is_not_for(module):
  for words in ('Source:', 'Licence:', 'Size:', 'Not for:'):
    assert module.__doc__.count(words) == 1, words
  assert module.Builder.name == module.__name__.split('.')[-1]


def test_every_module_is_a_dataset_or_what_they_share():
  assert [module for module in MODULES if module not in BUILDERS] == [packaged]


def test_the_description_is_that_of_the_module_and_licence_and_source_are_kept(prepared):
  info = prepared([example(n) for n in range(20)]).info
  assert (
    info.description
    == sys.modules[__name__].__doc__
    == 'A dataset of dots, to try what the builders share.'
  )
  assert (info.redistribution_info.license, info.homepage) == ('none', 'https://example.org')


@pytest.mark.parametrize(('modality', 'kept'), [('', {}), ('MR', {'modality': 'MR'})])
def test_the_modality_of_images_of_medicine_is_kept_and_others_have_none(
  prepared, monkeypatch, modality, kept
):
  monkeypatch.setattr(Dots, 'MODALITY', modality)
  builder = prepared([example(n) for n in range(20)])
  assert dict(builder.info.metadata or {}) == kept
  again = tfds.builder_from_directory(builder.data_dir)
  assert dict(again.info.metadata or {}) == kept


def test_preparing_twice_gives_the_same_records_in_the_same_order_however_they_are_listed(prepared):
  listed = [example(n, ('light', 'dark')[n % 2], f'g{n // 3}' + 'ab'[n % 2]) for n in range(60)]
  first, second = prepared(listed, 'a'), prepared(listed[::-1], 'b')
  assert sum(len(records) for records in trees.records(first).values()) == 60
  assert trees.records(first) == trees.records(second)


def test_preparing_by_name_prints_nothing(tmp_path, monkeypatch, capfd):
  monkeypatch.setattr(Dots, 'LISTED', [example(n) for n in range(20)])
  monkeypatch.setattr(importlib.import_module('gan_jax.data.datasets.emoji'), 'Builder', Dots)
  capfd.readouterr()
  trees.prepare('emoji', tmp_path)
  assert capfd.readouterr().out == ''


def test_each_class_has_its_share_held_out_and_groups_are_whole(prepared):
  listed = [example(n, 'light', f'light{n // 2}') for n in range(100)]
  listed += [example(100 + n, 'dark', f'dark{n // 2}') for n in range(40)]
  found = splits(prepared(listed))
  assert len(found['test'] & {f'n{n}' for n in range(100)}) == 10
  assert len(found['test'] & {f'n{n}' for n in range(100, 140)}) == 4
  for number in range(0, 140, 2):
    assert len({f'n{number}', f'n{number + 1}'} & found['test']) in (0, 2)


def test_of_few_groups_the_one_nearest_to_a_tenth_is_held_out_and_a_single_one_is_not(prepared):
  sizes = {'a': 10, 'b': 6, 'c': 14}  # 30: a tenth is 3
  groups = [group for group, size in sizes.items() for _ in range(size)]
  listed = [example(n, 'light', group) for n, group in enumerate(groups)]
  listed += [example(100 + n, 'dark', 'only') for n in range(30)]
  assert splits(prepared(listed))['test'] == {f'n{n}' for n in range(10, 16)}


def test_a_split_that_the_source_names_is_kept(prepared):
  listed = [example(n, split='test' if n < 15 else 'train') for n in range(20)]
  assert splits(prepared(listed))['test'] == {f'n{n}' for n in range(15)}


def test_an_example_that_does_not_belong_at_a_look_is_left_out(prepared):
  found = splits(prepared([example(n, belongs=n % 2 == 0) for n in range(40)]))
  assert found['train'] | found['test'] == {f'n{n}' for n in range(0, 40, 2)}


@pytest.mark.parametrize('listed', [[], [example(1)], [example(1, split='test')]])
def test_a_package_that_leaves_a_split_empty_is_refused(prepared, listed):
  message = f"of {len(listed)} images in the package none is for the split 't"
  with pytest.raises(UserError, match=message):
    prepared(listed)


def test_the_reason_why_a_package_is_not_there_names_the_key(tmp_path, monkeypatch):
  monkeypatch.setenv('PATH', str(tmp_path))
  by_name.open_builder.cache_clear()
  with pytest.raises(UserError, match=r"^config.dataset.name='emoji': .*no npm") as raised:
    by_name.open_builder('emoji', str(tmp_path / 'data'))
  assert len(str(raised.value).splitlines()) == 1
