"""What is said to the user, and proposed to be done next."""

import importlib
import re
import shlex

import pytest

from gan_jax import build, progress

REPORT = {
  **{'images': 9, 'files': 9, 'converted': 0, 'refused': 0, 'conversions': {}, 'refusals': []},
  **{'other_files': [], 'splits': {'train': 9}, 'attributes': [], 'greatest_value': 65535},
}


def proposed(capsys, classes=(), **report):
  """The config that is proposed for a dataset, with the keys that are to be set."""
  about = REPORT | {'classes': dict(classes)} | report
  progress.show_preparation('own', '/my data/own', about, '/my data')
  out = capsys.readouterr().out
  [line] = [line for line in out.splitlines() if 'launch.py train ' in line]
  flags = dict(word.lstrip('-').split('=', 1) for word in shlex.split(line) if '=' in word)
  module = flags.pop('config').removesuffix('.py').replace('/', '.')
  config = importlib.import_module(module).get_config()
  for key, value in flags.items():
    _, section, name = key.split('.')
    kind = type(config[section][name])
    config[section][name] = value == 'True' if kind is bool else kind(value)
  return config


@pytest.mark.parametrize('size', [32, 64, 128, 256])
@pytest.mark.parametrize(
  ('kind', 'medical'), [('grey16', True), ('rgb', True), ('grey', True), ('grey16', False)]
)
@pytest.mark.parametrize('classes', [(), (('a', 4), ('b', 5))])
def test_images_of_medicine_are_never_mirrored(capsys, kind, medical, size, classes):
  channels = 3 if kind == 'rgb' else 1
  config = proposed(capsys, classes, kind=kind, medical=medical, image_shape=[size, size, channels])
  assert not config.dataset.flip
  assert (config.dataset.name, config.dataset.data_dir) == ('own', '/my data')
  assert config.dataset.resolution == size
  build.check(config)
  parts = build.networks(config, channels, len(classes))
  assert parts.generator.resolution == (size, size)


def test_other_images_are_trained_on_as_before(capsys):
  config = proposed(capsys, kind='rgb', medical=False, image_shape=[64, 64, 3])
  assert config.dataset.flip


def test_scores_stand_beside_those_of_the_untrained_generator_and_of_real_images(capsys):
  fd = {'fd': 2.0, 'fd_low': 1.5, 'fd_high': 2.5, 'floor_fd': 0.25, 'untrained_fd': 9.0}
  progress.show_run('/runs/a', {**fd, 'n_fake': 1000, 'n_real': 5000, 'n_floor': 400})
  said = capsys.readouterr().out
  rows = [
    [cell.strip() for cell in re.split('[┃│]', line)[1:-1]]
    for line in said.splitlines()
    if line.startswith(('┃', '│'))
  ]
  assert rows == [
    ['score', 'generated', 'untrained', 'held-out reals'],
    ['fd', '2 [1.5, 2.5]', '9', '0.25'],
  ]
  assert 'N: 1,000 generated, 400 held-out, against 5,000 training images' in said
