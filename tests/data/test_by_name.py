import numpy as np
import pytest
import tensorflow_datasets as tfds

from gan_jax.data import by_name
from gan_jax.errors import Preempted, UserError


@pytest.mark.parametrize('name', ['my-photos', '', 'no such', 'mnist:9.9.9'])
def test_a_name_that_none_can_have_is_refused_in_one_line(name, data_dir):
  with pytest.raises(UserError, match='unknown here and to TFDS'):
    by_name.open_builder(name, data_dir)


def test_an_unknown_split_or_name_offers_the_nearest(data_dir):
  with pytest.raises(UserError, match="did you mean 'train'"):
    by_name.open_dataset('digits', 'trian', data_dir, (16, 16), 64)
  with pytest.raises(UserError, match=r"config.dataset.name='digit': .*did you mean 'digits'"):
    by_name.open_builder('digit', data_dir)


def test_a_dataset_that_is_not_here_says_how_to_prepare_it(data_dir, monkeypatch):
  def no_network(*args, **kwargs):
    raise OSError('no network')

  monkeypatch.setattr(by_name.socket, 'getaddrinfo', no_network)
  with pytest.raises(UserError, match=r"'mnist' is not prepared in .*download_and_prepare"):
    by_name.open_builder('mnist', data_dir)


def test_nothing_is_downloaded_where_the_hosts_of_a_dataset_cannot_be_found(data_dir, monkeypatch):
  def no_network(*args, **kwargs):
    raise OSError('no network')

  monkeypatch.setattr(by_name.socket, 'getaddrinfo', no_network)
  monkeypatch.setattr(tfds.core.DatasetBuilder, 'download_and_prepare', pytest.fail)
  with pytest.raises(UserError, match='no network'):
    by_name.open_builder('mnist', data_dir)


def test_digits_are_of_the_shape_that_their_builder_tells(data_dir):
  builder = by_name.open_builder('digits', data_dir)
  told, image = builder.info.features['image'], builder.as_data_source('test')[0]['image']
  assert (told.shape, told.np_dtype) == (image.shape, image.dtype) == ((28, 28, 1), np.uint8)


@pytest.mark.parametrize(
  ('first', 'second', 'shared'),
  [
    ('train', 'test', 0),
    ('train', 'train', 4000),
    ('train', 'train[90%:]', 400),
    ('train[:90%]', 'train[90%:]', 0),
    ('train[:50%]+test', 'test', 1000),
    ('train[100:200]', 'train[150:300]', 50),
    ('all', 'test', 1000),
  ],
)
def test_images_in_both_of_two_splits_are_counted(first, second, shared, digits, data_dir):
  assert by_name.shared_images('digits', first, second, data_dir) == shared


def test_a_builder_of_the_users_own_is_named_by_its_path_and_its_error_is_whole(tmp_path):
  path = tmp_path / 'with_an_error.py'
  path.write_text(
    'import tensorflow_datasets as tfds\n'
    'class Builder(tfds.core.GeneratorBasedBuilder):\n'
    "  name = 'with_an_error'\n"
    "  VERSION = tfds.core.Version('1.0.0')\n"
    '  def _info(self):\n'
    '    return self.dataset_info_from_configs(features=tfds.features.FeaturesDict('
    "{'image': tfds.features.Image(shape=(8, 8, 1))}))\n"
    '  def _split_generators(self, dl_manager):\n'
    "    raise RuntimeError('first line' + chr(10) + 'what to do about it')\n"
    '  def _generate_examples(self):\n    yield 0, {}\n'
  )
  with pytest.raises(UserError, match=r'first line what to do about it$') as stopped:
    by_name.open_builder(str(path), str(tmp_path / 'data'))
  assert 'on a machine with internet' not in str(stopped.value)


def test_what_another_process_prepares_meanwhile_is_taken(tmp_path, monkeypatch):
  """As where two trainings begin at once on a dataset that is not there yet."""
  from gan_jax.data.datasets import digits

  def other(_):
    digits.Builder(data_dir=str(tmp_path)).download_and_prepare(file_format='array_record')

  monkeypatch.setattr(by_name, '_check_reachable', other)
  found = by_name.open_dataset('digits', 'test', str(tmp_path), (16, 16), 64)
  assert len(found) == 1000


def test_a_signal_while_a_dataset_is_opened_is_no_fault_of_the_dataset(tmp_path, monkeypatch):
  def stopped(*_, **__):
    raise Preempted('SIGTERM')

  monkeypatch.setattr(by_name.registry.find('data.datasets', 'digits', ''), 'Builder', stopped)
  with pytest.raises(Preempted):
    by_name.open_builder.__wrapped__('digits', str(tmp_path))
