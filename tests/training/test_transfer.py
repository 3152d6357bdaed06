import jax
import jax.numpy as jnp
import numpy as np
import optax

from gan_jax.training import transfer


def tree(classes=3, width=4, seed=0):
  rng = np.random.default_rng(seed)
  draw = lambda *shape: rng.standard_normal(shape).astype(np.float32)
  return {
    'params': {
      'conv': {'kernel': draw(3, 3, 1, width)},
      'head': {'bias': draw(2)},
      'label': {'embedding': draw(classes, width)},
    },
    'batch_stats': {'norm': {'mean': draw(2)}},
  }


def test_the_same_network_is_taken_whole():
  filled, report = transfer.transfer(tree(seed=1), tree(seed=2))
  jax.tree.map(np.testing.assert_array_equal, filled, tree(seed=2))
  assert report.share == 1
  assert not report.skipped
  assert not report.unused


def test_what_does_not_fit_stays_and_is_told():
  target, source = tree(width=4), tree(width=5, seed=2)
  source['params']['extra'] = {'kernel': np.zeros(1, np.float32)}
  del source['batch_stats']
  filled, report = transfer.transfer(target, source)
  np.testing.assert_array_equal(
    filled['params']['conv']['kernel'], target['params']['conv']['kernel']
  )
  np.testing.assert_array_equal(filled['params']['head']['bias'], source['params']['head']['bias'])
  assert report.skipped['params/conv/kernel'] == 'shape [3, 3, 1, 5], wanted [3, 3, 1, 4]'
  assert report.skipped['batch_stats/norm/mean'] == 'not there, wanted [2]'
  assert report.loaded == ['params/head/bias']
  assert set(report.unused) == {
    'params/conv/kernel',
    'params/label/embedding',
    'params/extra/kernel',
  }
  assert report.share == 2 / (36 + 2 + 12 + 2)


def test_classes_go_by_their_names_and_a_new_one_starts_from_the_mean():
  classes = transfer.class_map(['cat', 'new', 'dog'], ['dog', 'bird', 'cat', 'fish'])
  np.testing.assert_array_equal(classes, [2, -1, 0])
  source = tree(classes=4, seed=2)
  filled, report = transfer.transfer(tree(classes=3), source, classes, 4)
  rows = source['params']['label']['embedding']
  expected = np.stack([rows[2], rows.mean(axis=0), rows[0]])
  np.testing.assert_allclose(filled['params']['label']['embedding'], expected, rtol=1e-6)
  assert report.remapped == ['params/label/embedding']
  assert report.share == 1


def test_frozen_weights_stay_bit_for_bit():
  params = {'conv0': {'kernel': jnp.ones(3)}, 'conv1': {'kernel': jnp.ones(3)}}
  grads = jax.tree.map(lambda x: x * 0.5, params)
  tx = transfer.freeze(optax.flatten(optax.adamw(0.1, weight_decay=0.5)), ['conv0'])
  state, moved = tx.init(params), params
  for _ in range(3):
    updates, state = jax.jit(tx.update)(grads, state, moved)
    moved = optax.apply_updates(moved, updates)
  np.testing.assert_array_equal(moved['conv0']['kernel'], 1)
  assert (moved['conv1']['kernel'] != 1).all()
