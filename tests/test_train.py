"""Whole runs of the smoke config, through the function that the command calls."""

import json
import os
import signal

import jax
import numpy as np
import pytest
from PIL import Image

from configs import smoke
from gan_jax import build
from gan_jax.errors import NonFiniteError, Preempted, UserError
from gan_jax.runtime import parallel
from gan_jax.train import train
from gan_jax.workdir import checkpoint, record


def config(**changes):
  made = smoke.get_config()
  made.evaluate.images = 0
  made.update_from_flattened_dict(changes)
  return made


def final_state(workdir):
  loaded = record.load_config(workdir)
  about = record.read_circumstances(workdir)['dataset']
  parts = build.networks(loaded, about['shape'][-1], about['num_classes'])
  shapes = build.shapes(loaded, parts)
  return checkpoint.Checkpointer(workdir, read_only=True).restore(shapes)


def stop_after(monkeypatch, steps):
  """Has this process ask itself to stop, by a real signal, after some more steps."""
  count, original = [0], parallel.shard

  def shard(batch):
    count[0] += 1
    if count[0] == steps:
      os.kill(os.getpid(), signal.SIGTERM)
    return original(batch)

  monkeypatch.setattr(parallel, 'shard', shard)


def test_a_run_leaves_its_whole_record(finished):
  workdir, scores = finished
  assert record.load_config(workdir).to_dict() == smoke.get_config().to_dict()
  run = record.read_circumstances(workdir)
  assert run['dataset']['num_classes'] == 10
  assert run['features']['classifier']['holdout_accuracy'] > 0.9
  assert run['starts'][0]['seed'] == 0
  lines = record.read_metrics(workdir)
  assert [line['images'] for line in lines if line['kind'] == 'train'] == list(range(32, 193, 32))
  assert [line['step'] for line in lines if line['kind'] == 'scores'] == [0, 6, 12]
  assert sorted(os.listdir(f'{workdir}/samples')) == [
    *(f'{images:012d}.png' for images in (0, 64, 128, 192)),
    'reals.png',
  ]
  with Image.open(f'{workdir}/samples/000000000192.png') as picture:
    assert picture.size == (4 * 16, 10 * 16)
  assert any('tfevents' in name for name in os.listdir(f'{workdir}/tensorboard'))
  assert {'fd_classifier', 'kid_classifier', 'class_accuracy_classifier'} <= scores.keys()
  assert {'floor_fd_classifier', 'untrained_fd_classifier', 'n_fake', 'n_real'} <= scores.keys()
  # Held-out real images are far nearer to the training images than noise is.
  assert scores['floor_fd_classifier'] < 0.5 * scores['untrained_fd_classifier']
  assert scores['floor_class_accuracy_classifier'] > 0.8


def test_the_same_command_on_a_finished_run_repeats_its_scores(finished):
  workdir, scores = finished
  before = record.read_metrics(workdir)
  assert train(smoke.get_config(), workdir) == scores
  assert record.read_metrics(workdir) == before


STATEFUL = {
  # Everything that carries something from step to step beside weights and Adam's moments.
  'dcgan.discriminator_norm': 'spectral',
  'regularisers': ('r1', 'lecam', 'path_length', 'gradient_normalisation'),
  'r1.interval': 2,
  'augment.names': ('diffaugment',),
  'augment.adaptive': True,
  'augment.initial': 0.5,
  'augment.interval': 5,
  'augment.ramp_images': 1000.0,
  'augment.pseudo': True,
}


@pytest.mark.parametrize('changes', [{}, STATEFUL], ids=['plain', 'stateful'])
def test_a_run_interrupted_anywhere_ends_in_the_same_bits(
  changes, tmp_path, monkeypatch, user_folders
):
  whole, parts = str(tmp_path / 'whole'), str(tmp_path / 'parts')
  train(config(**changes), whole)
  for steps in (5, 3):
    with monkeypatch.context() as patch:
      stop_after(patch, steps)
      with pytest.raises(Preempted, match='SIGTERM: saved at'):
        train(config(**changes), parts)
  assert record.read_metrics(parts)[-1]['images'] <= 8 * 16
  train(config(**changes), parts)
  expected, actual = final_state(whole), final_state(parts)
  assert int(actual.step) == 12
  carried = {'lecam', 'path_length'} if changes else set()
  assert carried <= actual.regularisers.keys()
  assert all(np.any(leaf) for leaf in jax.tree.leaves(actual.regularisers))
  assert not changes or 'spectral' in actual.discriminator.mutable
  assert not changes or 0 < actual.augmentation.strength < 0.5
  assert not changes or actual.augmentation.sign_count == 12 % 5
  for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(actual), strict=True):
    np.testing.assert_array_equal(a, b)
  # The next batch, too, and the losses on the way.
  losses = lambda workdir: {
    line['step']: line['d_loss'] for line in record.read_metrics(workdir, 'train')
  }
  assert losses(whole)[12] == losses(parts)[12]
  assert sorted(os.listdir(f'{parts}/samples')) == sorted(os.listdir(f'{whole}/samples'))


def test_another_seed_gives_another_run_and_other_devices_the_same_order(tmp_path, user_folders):
  a, b = str(tmp_path / 'a'), str(tmp_path / 'b')
  short = {'train.images': 32, 'train.checkpoint_images': 32}
  train(config(**short), a)
  train(config(seed=1, **short), b)
  pairs = zip(jax.tree.leaves(final_state(a)), jax.tree.leaves(final_state(b)), strict=True)
  assert any(not np.array_equal(x, y) for x, y in pairs)


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_good_checkpoint(
  tmp_path, monkeypatch, user_folders
):
  workdir = str(tmp_path)
  train(config(**{'train.images': 64}), workdir)
  good = final_state(workdir)
  # The discriminator's optimiser is told to leap out of the numbers.
  broken = config(**{'discriminator_optimizer.learning_rate': 1e38})
  with pytest.raises(
    NonFiniteError, match=r'step \d+ .* the (discriminator|generator) has .*step 4'
  ):
    train(broken, workdir, allow_config_changes=True)
  for a, b in zip(jax.tree.leaves(good), jax.tree.leaves(final_state(workdir)), strict=True):
    np.testing.assert_array_equal(a, b)
  (event,) = record.read_metrics(workdir, 'non_finite')
  assert event['player'] in ('discriminator', 'generator')


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'model.name': 'dcgam'}, "config.model.name='dcgam': unknown; did you mean 'dcgan'"),
    ({'loss.name': 'hing'}, "config.loss.name='hing': unknown; did you mean 'hinge'"),
    ({'dataset.name': 'digit'}, "did you mean 'digits'"),
    ({'dataset.name': 'huggingface:nothing'}, "config.dataset.name='huggingface:nothing'"),
    ({'dataset.name': 'kubric:x/y:1.0.0'}, "config.dataset.name='kubric:x/y:1.0.0'"),
    (
      {'dataset.holdout_split': 'train[50%:]'},
      r'2,000 of its images are in config\.dataset\.split',
    ),
    (
      {'dataset.name': 'random_images', 'model.conditional': False, 'evaluate.images': 96},
      "'classifier' needs labels of two classes or more",
    ),
    ({'train.batch_size': 12}, 'config.train.batch_size=12: must be a positive multiple of the 8'),
    ({'train.batch_size': 8000}, 'has 4000 images; a batch takes 8000'),
    ({'dataset.resolution': 20}, 'config.dataset.resolution=20|dataset.resolution=20: dcgan'),
    ({'train.images': 0}, 'config.train.images=0: accepted: positive integers'),
    ({'evaluate.features': ('inception',)}, "config.evaluate.features='inception': unknown"),
    ({'evaluate.resize': 'legcay'}, "evaluate.resize='legcay': did you mean 'legacy'"),
    (
      {'evaluate.features': ('inception_v3',), 'evaluate.images': 96},
      r"evaluate.weights.inception_v3='': there is no such file|best_score",
    ),
    ({'evaluate.metrics': ('fid',)}, "did you mean 'fd'|did you mean 'kid'"),
    (
      {'checkpoint.best_score': 'fid_classifier', 'evaluate.images': 96},
      "best_score='fid_classifier': did you mean 'fd_classifier'",
    ),
    ({'dcgan.discriminator_norm': 'x'}, "discriminator_norm='x'"),
    ({'dcgan.width': -8}, 'config.dcgan.width=-8: must be positive'),
    ({'labels.fakes': 'weights'}, r'config\.labels\.weights=\(\): accepted: 10 numbers'),
    ({'r1.weight_final': 0.1}, 'r1.weight_final=0.1: needs config.anneal_images.*found 0'),
  ],
)
def test_bad_input_is_one_line_and_leaves_no_trace(tmp_path, changes, message, user_folders):
  workdir = tmp_path / 'run'
  with pytest.raises(UserError, match=message) as stopped:
    train(config(**changes), str(workdir))
  assert '\n' not in str(stopped.value)
  assert not (workdir / 'config.json').exists()
  assert not (workdir / 'checkpoints').exists()


def test_a_workdir_of_another_run_is_left_as_it_is(finished):
  workdir, _ = finished
  files = lambda: {
    p: os.stat(p).st_mtime_ns for p in (f'{workdir}/config.json', f'{workdir}/run.json')
  }
  before = files()
  with pytest.raises(UserError, match=r'config\.ema\.ramp was 0\.05, is 0\.5'):
    train(config(**{'ema.ramp': 0.5, 'evaluate.images': 96}), workdir)
  assert files() == before


def test_a_score_that_cannot_be_had_does_not_end_the_run(tmp_path, user_folders, capsys):
  changes = {'evaluate.images': 96, 'evaluate.num_samples': 12, 'train.images': 96}
  scores = train(config(**changes, **{'evaluate.metrics': ('fd', 'fd_per_class')}), str(tmp_path))
  assert 'fd_classifier' in scores
  assert 'fd_per_class_classifier' not in scores
  said = capsys.readouterr().err
  assert '! step 6: no fd_per_class: class' in said
  assert f'scores at 96 images: fd_classifier {scores["fd_classifier"]:.4g}\n' in said


def test_the_best_checkpoint_is_kept_by_a_legacy_score(tmp_path, user_folders):
  changes = {
    **{'evaluate.images': 32, 'train.checkpoint_images': 32, 'train.images': 96},
    **{'evaluate.metrics': ('fd',), 'evaluate.features': ('pixels',), 'evaluate.resize': 'legacy'},
    **{'checkpoint.best_score': 'fd_pixels_legacy', 'checkpoint.keep_last': 1},
  }
  train(config(**changes), str(tmp_path))
  # The last save came before the last scores.
  lines = record.read_metrics(str(tmp_path), 'scores')[1:-1]
  best = min(lines, key=lambda line: line['fd_pixels_legacy'])['step']
  kept = checkpoint.Checkpointer(str(tmp_path), read_only=True).steps()
  assert (len(lines), set(kept)) == (2, {best, 6})


def test_a_run_from_before_a_key_of_scores_goes_on(tmp_path, user_folders):
  made = config(**{'train.images': 32})
  train(made, str(tmp_path))
  path = tmp_path / 'config.json'
  stored = json.loads(path.read_text())
  del stored['evaluate']['resize'], stored['evaluate']['weights'], stored['sha256']
  path.write_text(json.dumps(stored))
  train(made, str(tmp_path))


def test_the_record_is_json_lines(finished):
  with open(f'{finished[0]}/metrics.jsonl', encoding='utf-8') as file:
    assert all({'kind', 'step', 'images', 'time'} <= json.loads(line).keys() for line in file)


def test_a_log_says_what_the_discriminator_sees_and_where_the_time_goes(finished):
  lines = record.read_metrics(finished[0], 'train')
  assert len(lines) == 6
  for line in lines:
    for name in ('d_train_logit', 'd_holdout_logit', 'd_fake_logit', 'd_overfit_gap'):
      assert np.isfinite(line[name])
    assert 0 <= line['fake_saturated'] <= 1
    assert line['fake_diversity'] > 0
    assert line['d_update_ratio'] > 0
    assert -1 <= line['d_real_sign'] <= 1
    assert line['images_per_second'] > 0
    assert line['seconds_step'] > 0
  spent = lambda part: sum(line.get(f'seconds_{part}', 0) for line in lines)
  assert spent('evaluate') > 0
  assert spent('sample') > 0
  assert spent('compile') > 0


def test_the_first_sampling_shows_reals_as_the_discriminator_sees_them(tmp_path):
  changes = {'augment.names': ('diffaugment',), 'train.images': 16, 'train.diagnose': False}
  train(config(**changes), str(tmp_path))
  seen, reals = (
    np.asarray(Image.open(tmp_path / 'samples' / f'{name}.png')) for name in ('augmented', 'reals')
  )
  assert seen.shape == reals.shape
  assert (seen != reals).mean() > 0.5
  (line,) = record.read_metrics(str(tmp_path), 'train')
  assert line['augment_strength'] == 1
  assert 'd_overfit_gap' not in line


def test_nothing_unmeant_moves_between_host_and_device_in_the_loop(tmp_path, monkeypatch):
  """Batches go to the device and metrics come back by calls that say so, and nothing else does."""
  from gan_jax.loop import Run

  monkeypatch.setattr(Run, '_sample', lambda *_: None)
  loop = Run.loop

  def guarded_loop(run):
    with jax.transfer_guard('disallow'):
      loop(run)

  monkeypatch.setattr(Run, 'loop', guarded_loop)
  train(config(**{'train.images': 64}), str(tmp_path))
  # The guard does see one.
  with jax.transfer_guard('disallow'), pytest.raises(Exception, match='isallowed'):
    jax.jit(lambda x: x + 1)(np.ones(3))
