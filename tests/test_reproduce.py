"""A run made again: to the same bits, and with one thing changed at a time."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

from configs import smoke
from gan_jax import reproduce
from gan_jax.data import by_name
from gan_jax.data.ingest import prepare
from gan_jax.data.ingest.options import Options
from gan_jax.errors import UserError
from gan_jax.train import train
from gan_jax.workdir import record

ROOT = pathlib.Path(__file__).parent.parent


@pytest.fixture(scope='module')
def runs(tmp_path_factory, user_folders):
  """A run, and the same made again."""
  folder = tmp_path_factory.mktemp('reproduced')
  workdir, out = str(folder / 'run'), str(folder / 'again')
  train(smoke.get_config(), workdir)
  return workdir, out, reproduce.reproduce(workdir, out)


@pytest.fixture
def copy(runs, tmp_path):
  """A copy of the run of then, to be changed."""
  shutil.copytree(runs[0], tmp_path / 'then')
  return tmp_path / 'then'


def edit(folder, name, change):
  path = folder / name
  content = json.loads(path.read_text())
  content.pop('sha256', None)  # by which a change would be known
  change(content)
  path.write_text(json.dumps(content))


def test_a_run_comes_out_to_the_same_bits(runs):
  found = runs[2]
  assert found.changed == []
  assert found.same_bits
  assert found.state is True
  assert found.lines >= 8
  assert all(score.now == score.then for score in found.scores)


def test_the_environment_of_then_and_the_comparison_are_written(runs):
  _, out, _ = runs
  lines = pathlib.Path(out, reproduce.REQUIREMENTS).read_text().splitlines()
  assert any(line.startswith('jax==') for line in lines)
  assert json.loads(pathlib.Path(out, reproduce.RESULT).read_text())['same_bits'] is True


def test_a_version_that_is_another_is_named(runs, copy):
  edit(copy, 'run.json', lambda run: run['starts'][-1]['packages'].update(optax='0.0.1'))
  (found,) = reproduce.compare(str(copy), runs[1]).changed
  assert found.startswith('versions: optax 0.0.1 -> ')


def test_it_is_the_last_start_that_a_run_is_compared_by(runs, copy):
  def start_before(run):
    first = json.loads(json.dumps(run['starts'][-1]))
    first['packages']['optax'] = '0.0.1'
    run['starts'].insert(0, first)

  edit(copy, 'run.json', start_before)
  assert reproduce.changed(str(copy), runs[1]) == []


def test_a_line_of_code_that_is_another_is_named_by_its_file(runs, copy):
  def change(run):
    digest = run['starts'][-1]['code']
    run['code'][digest]['gan_jax/training/losses/nonsaturating.py'] = 'of then'

  edit(copy, 'run.json', change)
  (found,) = reproduce.compare(str(copy), runs[1]).changed
  assert found == 'code: gan_jax/training/losses/nonsaturating.py'


def test_data_that_are_others_are_named(runs, copy):
  def change(run):
    run['dataset']['fingerprints']['digits train'] = 'of then'

  edit(copy, 'run.json', change)
  (found,) = reproduce.compare(str(copy), runs[1]).changed
  assert found.startswith('data: digits train of then -> ')


@pytest.mark.slow
def test_one_pixel_of_one_data_file_is_found(tmp_path):
  """The same dataset but for a pixel, prepared anew between the run and its reproduction."""

  def prepared(last):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (120, 16, 16), np.uint8)
    images[3, 0, 0] = last
    np.save(tmp_path / 'images.npy', images)
    asked = Options(str(tmp_path / 'images.npy'), 'own', str(tmp_path / 'data'), overwrite=True)
    prepare.prepare(asked, by_name.open_builder)

  prepared(1)
  config = smoke.get_config()
  config.dataset.name, config.dataset.data_dir = 'own', str(tmp_path / 'data')
  config.model.conditional = False
  config.train.images = config.evaluate.images = 64
  config.evaluate.features, config.evaluate.metrics = ('pixels',), ('fd',)
  config.evaluate.num_samples = 32
  config.checkpoint.best_score = 'fd_pixels'
  train(config, str(tmp_path / 'run'))
  prepared(2)
  found = reproduce.reproduce(str(tmp_path / 'run'), str(tmp_path / 'again'))
  assert len(found.changed) == 1
  assert found.changed[0].startswith('data: own t')


@pytest.mark.slow
def test_a_line_of_code_that_was_changed_is_found(runs, tmp_path):
  """A copy of the code in which the generator's loss is another, in a process of its own."""
  copied = tmp_path / 'code'
  for name in ('gan_jax', 'configs'):
    shutil.copytree(ROOT / name, copied / name, ignore=shutil.ignore_patterns('__pycache__'))
  shutil.copy(ROOT / 'launch.py', copied)
  path = copied / 'gan_jax' / 'training' / 'losses' / 'nonsaturating.py'
  text = path.read_text()
  assert text.count('nn.softplus(-fake_logits)') == 1
  path.write_text(text.replace('softplus(-fake_logits)', 'softplus(-1.01 * fake_logits)'))
  found = subprocess.run(
    [sys.executable, 'launch.py', 'reproduce', f'--workdir={runs[0]}', f'--out={tmp_path / "o"}'],
    cwd=copied,
    capture_output=True,
    text=True,
    check=False,
  )
  assert 'not as then: code: gan_jax/training/losses/nonsaturating.py' in found.stdout
  assert 'the records differ from step' in found.stdout
  assert 'same bits' not in found.stdout


def test_a_config_key_that_was_edited_is_named(runs, copy, tmp_path):
  edit(copy, 'config.json', lambda config: config['generator_optimizer'].update(beta1=0.0))
  found = reproduce.reproduce(str(copy), str(tmp_path / 'again'))
  assert found.changed == [
    'config: config.generator_optimizer.beta1 was 0.5, is 0.0 in config.json'
  ]
  assert not found.same_bits
  assert found.first_difference is not None
  assert found.state is False
  assert all(score.now != score.then for score in found.scores[:1])


def test_a_config_that_was_changed_under_way_is_named(tmp_path):
  config = smoke.get_config()
  config.train.images = 64
  config.evaluate.images = 64
  train(config, str(tmp_path / 'run'))
  config.train.images = 128
  config.generator_optimizer.learning_rate = 1e-3
  train(config, str(tmp_path / 'run'), allow_config_changes=True)
  found = reproduce.changed(str(tmp_path / 'run'), str(tmp_path / 'run'))
  under_way = 'config, changed under way at 64 images: config.'
  assert found[-2:] == [
    f'{under_way}generator_optimizer.learning_rate was 0.0002, is 0.001',
    f'{under_way}train.images was 64, is 128',
  ]


@pytest.mark.parametrize(
  ('starts', 'kept'),
  [
    ([{'cores': 1}, {'cores': 2}], [[2, 5]]),  # as many as the last start had
    ([{'cores': 3}], []),
    ([{'cores': 8}], []),  # no more than there are
    ([{}], []),
    ([], []),
  ],
)
def test_it_keeps_to_as_many_cores_as_the_run_had(tmp_path, monkeypatch, starts, kept):
  found = []
  monkeypatch.setattr(os, 'sched_getaffinity', lambda pid: {9, 2, 5})
  monkeypatch.setattr(os, 'sched_setaffinity', lambda pid, cores: found.append(list(cores)))
  reproduce.take_cores_of(str(tmp_path))  # no run
  (tmp_path / 'run.json').write_text(json.dumps({'starts': starts}))
  reproduce.take_cores_of(str(tmp_path))
  assert found == kept


def test_a_run_of_some_seconds_is_made_again_by_the_images_that_it_came_to(tmp_path):
  config = smoke.get_config()
  config.train.images = 2**31 - 1
  config.train.seconds = 0.5
  config.evaluate.images = 2**30
  train(config, str(tmp_path / 'run'))
  (end,) = record.read_metrics(str(tmp_path / 'run'), 'end')
  assert end['seconds'] >= 0.5
  found = reproduce.reproduce(str(tmp_path / 'run'), str(tmp_path / 'again'))
  (again,) = record.read_metrics(str(tmp_path / 'again'), 'end')
  assert again['images'] == end['images']
  assert found.state is True


def test_a_run_by_the_clock_that_has_ended_does_not_go_on(tmp_path):
  config = smoke.get_config()
  config.train.images = 2**31 - 1
  config.train.seconds = 0.2
  config.evaluate.images = 2**30
  first = train(config, str(tmp_path))
  again = train(config, str(tmp_path))
  assert len(record.read_metrics(str(tmp_path), 'end')) == 1
  assert again == first


@pytest.mark.parametrize(
  ('workdir', 'out', 'message'),
  [('nothing', 'again', 'holds no run'), ('run', 'run', 'is the run itself')],
)
def test_what_cannot_be_made_again_is_refused(tmp_path, workdir, out, message):
  os.makedirs(tmp_path / 'run')
  with pytest.raises(UserError, match=message):
    reproduce.reproduce(str(tmp_path / workdir), str(tmp_path / out))


def test_a_folder_whose_run_has_never_begun_is_refused(copy, tmp_path):
  edit(copy, 'run.json', lambda content: content.pop('starts'))
  with pytest.raises(UserError, match=r'then: holds no whole run \(no starts in run.json\)'):
    reproduce.reproduce(str(copy), str(tmp_path / 'again'))
  assert not (tmp_path / 'again').exists()
