"""What is said to the user, and proposed to be done next."""

import importlib
import re
import shlex
import time

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
    kind = config[section].get_type(name)
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


@pytest.mark.parametrize(
  ('height', 'width', 'kind', 'model'),
  [
    (128, 128, 'grey16', 'dcgan'),
    (128, 256, 'grey16', 'dcgan'),
    (64, 128, 'grey16', 'fastgan'),
    (128, 64, 'grey16', 'fastgan'),
    (64, 128, 'rgb', 'fastgan'),
    (32, 64, 'rgb', 'dcgan'),
    (64, 32, 'rgb', 'dcgan'),
  ],
)
def test_the_recipe_that_is_proposed_is_for_the_shorter_side(capsys, height, width, kind, model):
  channels = 3 if kind == 'rgb' else 1
  config = proposed(capsys, kind=kind, image_shape=[height, width, channels])
  assert config.model.name == model
  assert (config.dataset.resolution, config.dataset.width or height) == (height, width)


def test_where_a_dataset_is_and_what_tells_all_of_it_is_said(capsys):
  about = REPORT | {'classes': {}, 'kind': 'rgb', 'image_shape': [64, 64, 3]}
  progress.show_preparation('own', '/my data/own', about)
  lines = capsys.readouterr().out.splitlines()
  assert 'dataset      /my data/own' in lines
  assert 'all of this  /my data/own/preparation.json' in lines


def test_on_a_plain_stream_lines_say_how_far_a_run_is_and_when_it_ends(capsys, monkeypatch):
  now = [100.0]
  monkeypatch.setattr(time, 'monotonic', lambda: now[0])

  def said(shown=True, seconds=None, rate=50.0):
    with progress.ProgressBar(1000, seconds, shown) as bar:
      now[0] += 7
      bar.log(250, rate, 1.25, 0.5)
      bar.say('! so it is')
    return capsys.readouterr()

  line = '250/1,000 images  50 images/s  15 s to go  D 1.250 G 0.500\n! so it is\n'
  assert said() == ('', line)
  assert '  0 images/s  0 s to go  ' in said(rate=0.0).err
  assert '250 images  50 images/s  53 s to go  ' in said(seconds=60.0).err
  assert '  0 s to go  ' in said(seconds=5.0).err
  assert said(shown=False) == ('', '')


def test_on_a_plain_stream_work_of_several_parts_is_a_line_now_and_then(capsys, monkeypatch):
  now = [100.0]
  monkeypatch.setattr(time, 'monotonic', lambda: now[0])

  def said(**how):
    with progress.stages('images', 5.0, **how) as report:
      for seconds, what, done, total in (
        (4, 'reading', 1, 1500),
        (2, 'reading', 1200, 1500),
        (1, 'writing', 1, 9),
        (6, 'waiting', 3, 0),
      ):
        now[0] += seconds
        report(what, done, total)
    return capsys.readouterr()

  assert said() == ('', 'reading: 1,200 of 1,500 images\nwaiting\n')
  assert said(shown=False) == ('', '')
  with progress.counting('looking', 'files') as report:
    now[0] += 6
    report(2, 8)
  assert capsys.readouterr() == ('', 'looking: 2 of 8 files\n')


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
