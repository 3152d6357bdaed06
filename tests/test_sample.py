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
  with pytest.raises(UserError, match='from 0 to 2'):
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
