"""Runs that go on: with other keys, after damage, after steps that were undone."""

import json
import os
import shutil

import jax
import numpy as np
import pytest

from configs import smoke
from gan_jax import build
from gan_jax.errors import NonFiniteError, Preempted, UserError
from gan_jax.runtime import parallel
from gan_jax.train import train
from gan_jax.workdir import checkpoint, record

QUIET = {'evaluate.images': 0, 'train.diagnose': False}


def config(**changes):
  made = smoke.get_config()
  made.update_from_flattened_dict({**QUIET, **changes})
  return made


def state_of(workdir, step=None):
  loaded = record.load_config(workdir)
  about = record.read_circumstances(workdir)['dataset']
  parts = build.networks(loaded, about['shape'][-1], about['num_classes'])
  shapes = build.shapes(loaded, parts)
  return checkpoint.Checkpointer(workdir, read_only=True).restore(shapes, step)


def same(a, b):
  pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
  return all(np.array_equal(x, y) for x, y in pairs)


@pytest.fixture(scope='module')
def trained(tmp_path_factory, user_folders):
  """A run of 64 images with checkpoints at steps 2 and 4."""
  workdir = tmp_path_factory.mktemp('trained') / 'run'
  train(config(**{'train.images': 64, 'train.checkpoint_images': 32}), str(workdir))
  return workdir


@pytest.fixture(scope='module')
def gone_on(trained, tmp_path_factory):
  """Its state after 96 images, with the same keys."""
  workdir = tmp_path_factory.mktemp('gone_on') / 'run'
  shutil.copytree(trained, workdir)
  train(config(**{'train.images': 96}), str(workdir))
  return state_of(str(workdir))


@pytest.fixture
def run(trained, tmp_path):
  """A copy of it."""
  shutil.copytree(trained, tmp_path / 'run')
  return tmp_path / 'run'


def test_another_batch_size_goes_on_from_the_images_shown(run, monkeypatch):
  shown = []
  shard = parallel.shard

  def noted(batch):
    shown.extend([batch] if isinstance(batch, dict) else [])
    return shard(batch)

  monkeypatch.setattr(parallel, 'shard', noted)
  changes = {'train.images': 192, 'train.batch_size': 32, 'train.log_images': 32}
  train(config(**changes), str(run), allow_config_changes=True)
  assert sum(len(batch['label']) for batch in shown) == 192 - 64
  assert state_of(str(run)).images == 192
  assert state_of(str(run)).step == 4 + 4
  lines = record.read_metrics(str(run), 'train')
  assert [line['images'] for line in lines] == [32, 64, 96, 128, 160, 192]
  assert [line['step'] for line in lines] == [2, 4, 5, 6, 7, 8]
  # No image is there again before all have been: draws go on where they were.
  first = next(build.batches(config(), build.datasets(config()).train, 64))
  np.testing.assert_array_equal(shown[0]['image'][:16], first['image'])


def test_what_evaluation_and_sampling_call_the_images_shown_follows(run):
  changes = {'train.images': 128, 'train.batch_size': 32, 'checkpoint.keep_last': 3}
  train(config(**changes), str(run), allow_config_changes=True)
  assert (build.open_run(str(run), 2).images, build.open_run(str(run), None).images) == (32, 128)


@pytest.mark.parametrize(
  'change',
  [
    {'generator_optimizer.beta1': 0.0},
    {'discriminator_optimizer.epsilon': 1.0},
    {'generator_optimizer.weight_decay': 0.5, 'generator_optimizer.learning_rate': 1e-2},
  ],
)
def test_keys_of_the_optimiser_are_those_of_now(run, gone_on, change):
  train(config(**{'train.images': 96}, **change), str(run), allow_config_changes=True)
  assert not same(state_of(str(run)), gone_on)


def test_lengths_and_intervals_need_no_permission(run):
  longer = {
    **{'train.images': 80, 'train.log_images': 16, 'train.sample_images': 16},
    **{'train.checkpoint_images': 16, 'checkpoint.keep_last': 3, 'sample.columns': 2},
  }
  train(config(**longer), str(run))
  assert state_of(str(run)).images == 80
  # A run that is as long as asked for already is at its end.
  train(config(**{'train.images': 48}), str(run))
  assert state_of(str(run)).images == 80


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'dcgan.width': 16}, r'norm1/norm/mean: float32 \[16\] is saved, float32 \[32\] asked for'),
    ({'model.latent_size': 9}, 'does not fit the config'),
    ({'regularisers': ('gradient_normalisation',)}, 'nothing is saved, float32'),
    ({'loss.name': 'hing'}, "did you mean 'hinge'"),
    ({'dataset.holdout_split': 'tset'}, 'tset'),
  ],
)
def test_a_refused_continuation_leaves_the_run_as_it_was(run, change, message):
  everything = lambda: {
    path: path.read_bytes()
    for path in sorted(run.rglob('*'))
    if path.is_file() and not path.name.startswith('.lock')  # who was there last
  }
  before = everything()
  with pytest.raises(UserError, match=message) as stopped:
    train(config(**{'train.images': 96}, **change), str(run), allow_config_changes=True)
  assert '\n' not in str(stopped.value)
  assert everything() == before
  assert build.open_run(str(run), None).step == 4


@pytest.mark.parametrize('harm', ['cut', 'flipped', 'emptied', 'manifest', 'gone', 'metadata'])
def test_a_damaged_checkpoint_is_named_and_the_one_before_goes_on(run, trained, harm, caplog):
  newest = run / 'checkpoints' / '000000004'
  large = max((p for p in newest.rglob('*') if p.is_file()), key=lambda p: p.stat().st_size)
  data = large.read_bytes()
  if harm == 'cut':
    large.write_bytes(data[: len(data) // 2])
  elif harm == 'flipped':
    for place in np.linspace(0.1, 0.9, 9):
      at = int(len(data) * place)
      data = data[:at] + bytes([data[at] ^ 16]) + data[at + 1 :]
    large.write_bytes(data)
  elif harm == 'emptied':
    large.write_bytes(b'')
  elif harm == 'manifest':
    (newest / 'default' / 'manifest.ocdbt').write_bytes(b'no manifest')
  elif harm == 'gone':
    large.unlink()
  else:
    (newest / 'default' / '_METADATA').write_text('{')
  with caplog.at_level('WARNING', 'gan_jax'):
    assert state_of(str(run)).step == 2
  assert 'the checkpoint of step 4 is damaged' in caplog.text
  with pytest.raises(UserError, match=r'damaged: step 4: .*; others: 2') as stopped:
    state_of(str(run), 4)
  assert '\n' not in str(stopped.value)
  # Training saves that step again, and what was damaged is still there to be looked at.
  train(config(**{'train.images': 64, 'train.checkpoint_images': 32}), str(run))
  assert same(state_of(str(run)), state_of(str(trained)))
  assert os.listdir(run / 'damaged') == ['000000004']
  (event,) = record.read_metrics(str(run), 'damaged')
  assert (event['checkpoint'], event['step']) == (4, 2)


def test_where_all_checkpoints_are_damaged_nothing_starts_anew(run):
  for manifest in run.glob('checkpoints/*/default/manifest.ocdbt'):
    manifest.write_bytes(b'')
  before = (run / 'metrics.jsonl').read_bytes()
  with pytest.raises(UserError, match=r'damaged: step 4: .*step 2: .*others: none'):
    train(config(**{'train.images': 64}), str(run))
  assert (run / 'metrics.jsonl').read_bytes() == before


def test_a_state_that_is_not_finite_is_never_saved(run):
  leap = config(
    **{'train.images': 96, 'train.checkpoint_images': 16, 'generator_optimizer.learning_rate': 1e39}
  )
  with pytest.raises(NonFiniteError, match=r'step 5 .*not finite.*the last good one is step 4'):
    train(leap, str(run), allow_config_changes=True)
  assert checkpoint.Checkpointer(str(run), read_only=True).latest() == 4
  assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(state_of(str(run))))
  train(config(**{'train.images': 80}), str(run), allow_config_changes=True)
  assert state_of(str(run)).images == 80


def test_grids_and_lines_of_steps_that_were_undone_are_set_aside(run):
  samples = run / 'samples'
  assert (samples / '000000000064.png').exists()
  old = (samples / '000000000064.png').read_bytes()
  shutil.rmtree(run / 'checkpoints' / '000000004')
  other = config(**{'train.images': 64, 'generator_optimizer.learning_rate': 0.05})
  train(other, str(run), allow_config_changes=True)
  assert (samples / '000000000064.png').read_bytes() != old
  assert (samples / 'undone' / '000000000064.png').read_bytes() == old
  undone = [json.loads(line) for line in (run / 'metrics.undone.jsonl').read_text().splitlines()]
  assert {line['step'] for line in undone} == {4}
  assert [line['step'] for line in record.read_metrics(str(run), 'train')] == [2, 4]


def test_a_record_without_its_checkpoints_is_not_lost(run, caplog):
  before = (run / 'metrics.jsonl').read_text().splitlines()
  shutil.rmtree(run / 'checkpoints')
  with caplog.at_level('WARNING', 'gan_jax'):
    train(config(**{'train.images': 32}), str(run))
  assert 'metrics.undone.jsonl' in caplog.text
  assert (run / 'metrics.undone.jsonl').read_text().splitlines() == before


def test_the_mean_of_a_log_line_goes_on_after_a_stop(tmp_path, monkeypatch, user_folders):
  whole, parts = str(tmp_path / 'whole'), str(tmp_path / 'parts')
  long = {'train.log_images': 64, 'train.images': 128, 'regularisers': ('r1',), 'r1.interval': 3}
  train(config(**long), whole)
  for steps in (3, 2):
    count = [0]
    shard = parallel.shard
    with monkeypatch.context() as patch:

      def stop(batch, steps=steps, count=count, shard=shard):
        count[0] += 1
        if count[0] == steps:
          os.kill(os.getpid(), 15)
        return shard(batch)

      patch.setattr(parallel, 'shard', stop)
      with pytest.raises(Preempted):
        train(config(**long), parts)
  train(config(**long), parts)
  timed = ('time', 'images_per_second')
  lines = lambda workdir: [
    {k: v for k, v in line.items() if k not in timed and not k.startswith('seconds')}
    for line in record.read_metrics(workdir, 'train')
  ]
  assert lines(parts) == lines(whole)


def test_what_refuses_leaves_no_folder(tmp_path, user_folders):
  workdir = tmp_path / 'some' / 'where' / 'run'
  for change in ({'dataset.name': 'nope'}, {'dcgan.width': 0}, {'train.batch_size': 4001}):
    with pytest.raises(UserError):
      train(config(**change), str(workdir))
    assert os.listdir(tmp_path) == []
  # A folder of the user's stays.
  workdir.mkdir(parents=True)
  with pytest.raises(UserError):
    train(config(**{'dcgan.width': 0}), str(workdir))
  assert workdir.exists()


@pytest.mark.parametrize('shown', [2**24 + 5, 2**31 - 40, 2**31 + 7])
def test_counts_stay_exact_at_sizes_of_the_longest_runs(run, shown):
  """As if the run had been shown so many images before its newest checkpoint."""
  state = state_of(str(run))
  count = np.uint32(shown).astype(np.int32)
  shutil.rmtree(run / 'checkpoints')
  saved = checkpoint.Checkpointer(str(run))
  saved.save(4, state.replace(images=count), {'images': shown})
  saved.close()
  more = {'train.images': shown + 48, 'train.log_images': 16, 'train.checkpoint_images': 2**31 - 1}
  train(config(**more), str(run))
  lines = record.read_metrics(str(run), 'train')
  assert [line['images'] for line in lines[-3:]] == [shown + 16, shown + 32, shown + 48]
  assert build.open_run(str(run), None).images == shown + 48
  end = checkpoint.Checkpointer(str(run), read_only=True)
  assert end.about(7)['images'] == shown + 48
  assert int(state_of(str(run)).images.astype(np.uint32)) == shown + 48
