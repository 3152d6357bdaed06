import jax
import numpy as np
import pytest
from PIL import Image

from gan_jax import sample
from gan_jax.errors import UserError
from gan_jax.models import dcgan
from gan_jax.sampling.sampler import Sampler


@pytest.fixture(scope='module')
def generator():
  module = dcgan.Generator(16, 1, 8, num_classes=3, width=8)
  init = jax.jit(
    lambda: module.init(jax.random.key(0), np.zeros((1, 8)), np.zeros(1, int), train=False)
  )
  return Sampler(module, 16, np.dtype(np.uint8)), jax.device_get(init())


def test_a_folder_has_one_png_an_image_and_a_png_a_row_a_class(generator, tmp_path):
  sampler, variables = generator
  options = {'count': 5, 'classes': [0, 2], 'seed': 0, 'truncation': 1.0}
  sample.write_samples(sampler, variables, out=str(tmp_path / 'folder'), **options)
  names = sorted(path.name for path in (tmp_path / 'folder').iterdir())
  assert names == ['000000_0.png', '000001_2.png', '000002_0.png', '000003_2.png', '000004_0.png']
  with Image.open(tmp_path / 'folder' / names[0]) as image:
    assert image.size == (16, 16)
  sample.write_samples(sampler, variables, out=str(tmp_path / 'a' / 'grid.png'), **options)
  with Image.open(tmp_path / 'a' / 'grid.png') as image:
    assert image.size == (3 * 16, 2 * 16)


@pytest.mark.parametrize('text', ['3', '-1', 'x', '1,,2', '0 1'])
def test_classes_that_the_model_does_not_have_are_refused(text):
  with pytest.raises(UserError, match='is no class; accepted: 0 to 2'):
    sample.parse_classes(text, 3)


def test_classes_are_read_and_default_to_all():
  assert sample.parse_classes('2,0', 3) == [2, 0]
  assert sample.parse_classes('', 3) == [0, 1, 2]
  assert sample.parse_classes('', 0) == [0]
  with pytest.raises(UserError, match='unconditional'):
    sample.parse_classes('1', 0)


def test_a_count_below_one_or_a_place_that_cannot_be_written_is_refused(generator, tmp_path):
  sampler, variables = generator
  options = {'classes': [0], 'seed': 0, 'truncation': 1.0}
  with pytest.raises(UserError, match='--count=0'):
    sample.write_samples(sampler, variables, count=0, out=str(tmp_path / 'x'), **options)
  (tmp_path / 'file').write_text('')
  with pytest.raises(UserError, match='cannot be written'):
    sample.write_samples(sampler, variables, count=1, out=str(tmp_path / 'file' / 'x'), **options)


def test_classes_are_named_too():
  names = ('cat', 'dog', 'a, b')
  assert sample.parse_classes('dog,cat', 3, names) == [1, 0]
  assert sample.parse_classes('2, cat', 3, names) == [2, 0]
  assert sample.parse_classes('a, b', 3, names) == [2]
  with pytest.raises(UserError, match=r"'dgo' is no class; .*did you mean 'dog'"):
    sample.parse_classes('dgo', 3, names)
  # Where names look like numbers, they are what is meant.
  assert sample.parse_classes('7', 2, ('3', '7')) == [1]


@pytest.mark.parametrize(
  ('names', 'called'),
  [
    (('cat', 'dog'), {0: 'cat', 1: 'dog'}),
    (('../etc', 'a b/c'), {0: 'etc', 1: 'a_b_c'}),
    (('猫', 'x' * 300), {0: '猫', 1: 'x' * 60}),
    (('a b', 'a/b'), {}),  # two of one name: numbers tell them apart
    (('?', '!'), {}),
  ],
)
def test_files_are_called_by_the_class(generator, tmp_path, names, called):
  assert sample._file_names(names) == called
  sampler, variables = generator
  options = {'count': 2, 'classes': [0, 1], 'seed': 0, 'truncation': 1.0}
  sample.write_samples(sampler, variables, out=str(tmp_path / 'x'), names=names, **options)
  found = sorted(path.name for path in (tmp_path / 'x').iterdir())
  assert found == [f'00000{i}_{called.get(i, i)}.png' for i in (0, 1)]


@pytest.mark.parametrize('name', ['a.jpg', 'a.JPEG', 'a.webp', 'a.gif'])
def test_a_grid_is_png_and_nothing_else_is_made_a_folder_of(name, tmp_path):
  with pytest.raises(UserError, match=r'accepted: FILE\.png'):
    sample.check_out(str(tmp_path / name), overwrite=False)


def test_a_folder_with_something_in_it_is_left_as_it_is(tmp_path):
  sample.check_out(str(tmp_path), overwrite=False)
  (tmp_path / '000000_0.png').touch()
  with pytest.raises(UserError, match='--overwrite'):
    sample.check_out(str(tmp_path), overwrite=False)
  sample.check_out(str(tmp_path), overwrite=True)
  sample.check_out(str(tmp_path / 'v1.5'), overwrite=False)  # a folder may have a dot


@pytest.mark.parametrize('truncation', [-1.0, float('nan'), float('inf')])
def test_a_truncation_that_means_nothing_is_refused(generator, tmp_path, truncation):
  options = {'count': 1, 'classes': [0], 'seed': 0, 'truncation': truncation}
  with pytest.raises(UserError, match='--truncation='):
    sample.write_samples(*generator, out=str(tmp_path / 'x'), **options)
