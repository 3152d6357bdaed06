import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UserError
from gan_jax.workdir.checkpoint import Checkpointer


def tree(value):
  return {'a': np.full((3, 2), value, np.float32), 'step': np.asarray(value, np.int32)}


def test_what_is_saved_is_restored_bit_for_bit(tmp_path):
  checkpoints = Checkpointer(str(tmp_path))
  rng = np.random.default_rng(0)
  saved = {'w': rng.normal(size=(4, 5)).astype(np.float32), 'key': np.array([1, 2**31], np.uint32)}
  checkpoints.save(7, saved)
  checkpoints.wait()
  assert checkpoints.latest() == 7
  checkpoints.close()
  shapes = jax.eval_shape(lambda: jax.tree.map(jnp.asarray, saved))
  restored = Checkpointer(str(tmp_path), read_only=True).restore(shapes)
  for name, array in saved.items():
    np.testing.assert_array_equal(restored[name], array)
    assert restored[name].dtype == array.dtype


def test_the_newest_and_the_lowest_scores_are_kept(tmp_path):
  scores = {}
  checkpoints = Checkpointer(str(tmp_path), keep_last=2, keep_best=1, scores=scores)
  for step, score in enumerate([5.0, 1.0, 4.0, 3.0, 2.0], start=1):
    scores[step] = score
    checkpoints.save(step, tree(step))
    checkpoints.wait()
  assert checkpoints.steps() == [2, 4, 5]
  assert checkpoints.restore(tree(0), 2)['step'] == 2


def test_saving_a_step_again_changes_nothing(tmp_path):
  checkpoints = Checkpointer(str(tmp_path))
  checkpoints.save(1, tree(1))
  checkpoints.wait()
  checkpoints.save(1, tree(2))
  checkpoints.wait()
  assert checkpoints.restore(tree(0))['step'] == 1


def test_a_save_that_was_cut_off_does_not_count(tmp_path):
  checkpoints = Checkpointer(str(tmp_path))
  checkpoints.save(1, tree(1))
  checkpoints.close()
  (tmp_path / 'checkpoints' / '000000002.orbax-checkpoint-tmp').mkdir()
  assert Checkpointer(str(tmp_path)).steps() == [1]


def test_a_missing_step_names_those_that_exist(tmp_path):
  checkpoints = Checkpointer(str(tmp_path))
  checkpoints.save(3, tree(3))
  checkpoints.wait()
  with pytest.raises(UserError, match='no checkpoint of step 5; found: 3'):
    checkpoints.restore(tree(0), 5)
  with pytest.raises(UserError, match='holds no checkpoints'):
    Checkpointer(str(tmp_path / 'other'), read_only=True)
