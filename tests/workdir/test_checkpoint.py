import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import NonFiniteError, UserError
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


def contents(folder):
  return {
    str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.is_file() and path.read_bytes())
    for path in folder.rglob('*')
  }


def test_a_reader_writes_nothing_and_cleans_nothing_up(tmp_path):
  checkpoints = Checkpointer(str(tmp_path), keep_last=5)
  for step in (1, 2, 3):
    checkpoints.save(step, tree(step))
  checkpoints.close()
  (tmp_path / 'checkpoints' / '000000004.orbax-checkpoint-tmp').mkdir()
  before = contents(tmp_path)
  reader = Checkpointer(str(tmp_path), keep_last=1, read_only=True)
  assert reader.steps() == [1, 2, 3]
  assert reader.restore(tree(0))['step'] == 3
  for write in (lambda: reader.save(5, tree(5)), reader.set_damaged_aside):
    with pytest.raises(ValueError, match='opened to be read alone'):
      write()
  reader.close()
  assert contents(tmp_path) == before


@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_a_state_with_a_single_value_that_is_not_finite_is_not_saved(tmp_path, bad):
  checkpoints = Checkpointer(str(tmp_path))
  spoilt = tree(1)
  spoilt['a'][1, 1] = bad
  with pytest.raises(NonFiniteError, match='a has values that are not finite'):
    checkpoints.save(1, spoilt)
  assert checkpoints.steps() == []


OTHERS = {
  'another shape': {'a': np.zeros((3, 3), np.float32), 'step': np.zeros((), np.int32)},
  'another type': {'a': np.zeros((3, 2), np.float32), 'step': np.zeros((), np.float32)},
  'one more': {**tree(0), 'b': np.zeros(2, np.float32)},
  'one less': {'step': np.zeros((), np.int32)},
  'another structure': {'a': {'x': np.zeros((3, 2), np.float32)}, 'step': np.zeros((), np.int32)},
}


@pytest.mark.parametrize('other', OTHERS)
def test_a_state_of_another_form_is_refused_in_one_line(tmp_path, other):
  checkpoints = Checkpointer(str(tmp_path))
  checkpoints.save(1, tree(1))
  checkpoints.wait()
  with pytest.raises(UserError, match='does not fit the config') as stopped:
    checkpoints.restore(OTHERS[other])
  assert '\n' not in str(stopped.value)


@pytest.mark.parametrize(('count', 'more'), [(3, ''), (4, ' and 1 more'), (6, ' and 3 more')])
def test_three_leaves_that_differ_are_named_and_the_others_counted(tmp_path, count, more):
  checkpoints = Checkpointer(str(tmp_path))
  checkpoints.save(1, tree(1))
  added = {f'b{n}': np.zeros(2, np.float32) for n in range(count)}
  with pytest.raises(UserError) as stopped:
    checkpoints.restore({**tree(0), **added})
  asked = '; '.join(f'b{n}: nothing is saved, float32 [2] asked for' for n in range(3))
  assert str(stopped.value).endswith(f'does not fit the config: {asked}{more}')


def test_branches_of_another_kind_are_no_damage(tmp_path):
  """What is whole, and has the leaves that are asked for, may still be of another form."""
  x = np.zeros((3, 2), np.float32)
  checkpoints = Checkpointer(str(tmp_path))
  checkpoints.save(1, {'a': [x, x]})
  checkpoints.wait()
  with pytest.raises(UserError, match='does not fit the config') as stopped:
    checkpoints.restore({'a': {'0': x, '1': x}})
  assert '\n' not in str(stopped.value)
  assert checkpoints.damaged == {}
  (data,) = [p for p in tmp_path.rglob('d/*') if p.stat().st_size > 20][:1]
  data.write_bytes(data.read_bytes()[:-9])
  with pytest.raises(UserError, match='damaged: step 1'):
    checkpoints.restore({'a': [x, x]})
