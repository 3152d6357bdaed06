"""Every file of a checkpoint cut, flipped in a bit, emptied or gone: never a wrong restore."""

import os
import pathlib
import shutil
import threading
import time

import numpy as np
import pytest

from configs import smoke
from gan_jax.errors import NotDoneError, UserError
from gan_jax.train import train
from gan_jax.workdir.checkpoint import DIGESTS, Checkpointer

ABOUT = {'images': 160, 'seconds': 1.5, 'window': {'d_loss': [3.25, 2]}, 'rollbacks': 1}


def tree(seed):
  rng = np.random.default_rng(seed)
  return {
    'generator': {
      'kernel': rng.normal(size=(40, 8)).astype(np.float32),
      'bias': rng.normal(size=3),
    },
    'step': np.asarray(seed, np.int32),
  }


def same(a, b):
  return (
    np.array_equal(a['generator']['kernel'], b['generator']['kernel'])
    and np.array_equal(a['generator']['bias'], b['generator']['bias'])
    and a['step'] == b['step']
  )


@pytest.fixture(scope='module')
def saved(tmp_path_factory):
  workdir = tmp_path_factory.mktemp('saved')
  checkpoints = Checkpointer(str(workdir))
  for step in (1, 2):
    checkpoints.save(step, tree(step), {**ABOUT, 'images': 80 * step})
  checkpoints.close()
  return workdir


def files(workdir):
  newest = workdir / 'checkpoints' / '000000002'
  return sorted(p.relative_to(workdir) for p in newest.rglob('*') if p.is_file())


HARMS = {
  'gone': lambda path, rng: path.unlink(),
  'emptied': lambda path, rng: path.write_bytes(b''),
  'cut': lambda path, rng: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
  'flipped': lambda path, rng: flip(path, rng),
}


def flip(path, rng):
  data = bytearray(path.read_bytes())
  data[rng.integers(len(data))] ^= 1 << rng.integers(8)
  path.write_bytes(bytes(data))


@pytest.mark.parametrize('harm', [*HARMS, *(f'flipped {n}' for n in range(3))])
def test_every_file_of_a_checkpoint_damaged_in_turn(saved, tmp_path, harm):
  fallbacks = 0
  names = files(saved)
  assert len(names) > 6
  for number, name in enumerate(names):
    workdir = tmp_path / f'{number}'
    shutil.copytree(saved, workdir)
    rng = np.random.default_rng([number, len(harm), ord(harm[-1])])
    HARMS[harm.split()[0]](workdir / name, rng)
    checkpoints = Checkpointer(str(workdir), read_only=True)
    state = checkpoints.restore(tree(0))
    step = int(state['step'])
    assert same(state, tree(step)), name
    about = {k: v for k, v in checkpoints.about(step).items() if 'sha256' not in k}
    assert about == {**ABOUT, 'images': 80 * step}, name
    if step == 1:
      fallbacks += 1
      assert list(checkpoints.damaged) == [2]
      with pytest.raises(UserError, match=r'damaged: step 2: .*; others: 1') as stopped:
        checkpoints.restore(tree(0), 2)
      assert '\n' not in str(stopped.value)
    shutil.rmtree(workdir)
  assert fallbacks >= (2 if harm.startswith('flipped') else 4)


def test_what_saves_that_were_cut_off_left_is_cleaned(saved, tmp_path):
  workdir = tmp_path / 'run'
  shutil.copytree(saved, workdir)
  left = workdir / 'checkpoints' / '000000003.orbax-checkpoint-tmp'
  shutil.copytree(workdir / 'checkpoints' / '000000002', left)
  assert Checkpointer(str(workdir), read_only=True).latest() == 2
  assert left.exists()
  checkpoints = Checkpointer(str(workdir))
  assert checkpoints.latest() == 2
  checkpoints.save(3, tree(3), ABOUT)
  checkpoints.close()
  assert sorted(os.listdir(workdir / 'checkpoints')) == ['000000002', '000000003']


def test_a_save_that_fails_beside_the_training_is_an_error_at_the_next_look(tmp_path, monkeypatch):
  checkpoints = Checkpointer(str(tmp_path))
  checkpoints.save(1, tree(1), ABOUT)
  checkpoints.check()
  # The folder of the save in the making goes while it is written.
  rename, failed = pathlib.Path.rename, []

  def full(self, target):
    if 'checkpoints' in str(self):
      failed.append(self)
      raise OSError(28, 'No space left on device', str(self))
    return rename(self, target)

  monkeypatch.setattr(pathlib.Path, 'rename', full)
  monkeypatch.setattr(os, 'rename', lambda a, b: full(pathlib.Path(a), b))
  checkpoints.save(2, tree(2), ABOUT)
  message = r'step 2 could not be saved: No space left on device; the newest one is of step 1'
  with pytest.raises(NotDoneError, match=message):  # noqa: PT012 - it may take a while
    for _ in range(3000):
      checkpoints.check()
      time.sleep(0.01)
  assert failed
  # And stays one, rather than a checkpoint that is not there.
  with pytest.raises(NotDoneError, match=message):
    checkpoints.save(3, tree(3), ABOUT)
  with pytest.raises(NotDoneError, match=message):
    checkpoints.wait()
  checkpoints.close()
  monkeypatch.undo()
  assert Checkpointer(str(tmp_path)).steps() == [1]


def test_a_look_waits_for_no_save_that_goes_on(tmp_path, monkeypatch):
  checkpoints = Checkpointer(str(tmp_path))
  checkpoints.save(1, tree(1), ABOUT)
  rename, may_end, in_time = os.rename, threading.Event(), []

  def slow(source, target, **how):
    in_time.append(may_end.wait(5))
    rename(source, target, **how)

  monkeypatch.setattr(os, 'rename', slow)
  checkpoints.save(2, tree(2), ABOUT)
  checkpoints.check()
  may_end.set()
  checkpoints.wait()
  assert in_time
  assert all(in_time), 'it had to wait'
  assert checkpoints.steps() == [1, 2]
  checkpoints.close()


def test_a_save_that_fails_while_all_is_closed_is_not_passed_over(tmp_path, monkeypatch):
  checkpoints = Checkpointer(str(tmp_path))
  checkpoints.save(1, tree(1), ABOUT)

  def full(source, *_):
    raise OSError(28, 'No space left on device', str(source))

  monkeypatch.setattr(pathlib.Path, 'rename', full)
  monkeypatch.setattr(os, 'rename', full)
  checkpoints.save(2, tree(2), ABOUT)
  with pytest.raises(Exception, match='No space left on device'):
    checkpoints.close()


RECORD = ('config.json', 'run.json', 'metrics.jsonl', 'samples', 'tensorboard')


@pytest.mark.slow
@pytest.mark.parametrize('harm', ['gone', 'emptied', 'cut', 'flipped'])
def test_every_file_of_the_record_damaged_in_turn(finished_quietly, tmp_path, harm):
  """Training ends as it would have, or says which file is not what it was."""
  run, expected = finished_quietly
  names = [
    path.relative_to(run)
    for path in sorted(run.rglob('*'))
    if path.is_file() and path.relative_to(run).parts[0].startswith(RECORD)
  ]
  assert len(names) >= 6
  refused = []
  for number, name in enumerate(names):
    if not (run / name).stat().st_size:
      continue
    workdir = tmp_path / f'{number}'
    shutil.copytree(run, workdir)
    HARMS[harm](workdir / name, np.random.default_rng([number, len(harm)]))
    said = ''
    try:
      train(quiet(96), str(workdir))
    except UserError as error:
      said = str(error)
      refused.append(name.name)
    if said:
      assert name.name in said, name
      assert '\n' not in said
    else:
      checkpoints = Checkpointer(str(workdir), read_only=True)
      assert checkpoints.latest() == 6, name
      assert checkpoints.about(6)[DIGESTS] == expected, name
    shutil.rmtree(workdir)
  assert set(refused) <= {'config.json', 'run.json', 'metrics.jsonl'}
  assert harm == 'gone' or {'config.json', 'run.json'} <= set(refused)


def quiet(images):
  made = smoke.get_config()
  short = {'evaluate.images': 0, 'train.diagnose': False, 'train.images': images}
  made.update_from_flattened_dict({**short, 'train.checkpoint_images': 32})
  return made


@pytest.fixture(scope='module')
def finished_quietly(tmp_path_factory, user_folders):
  """A run that was stopped at step 4, and the digests of its end at step 6."""
  folder = tmp_path_factory.mktemp('quiet')
  train(quiet(64), str(folder / 'run'))
  shutil.copytree(folder / 'run', folder / 'whole')
  train(quiet(96), str(folder / 'whole'))
  whole = Checkpointer(str(folder / 'whole'), read_only=True)
  return folder / 'run', whole.about(6)[DIGESTS]
