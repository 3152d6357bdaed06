"""The optimiser of rows, a TPU's, against that of vectors, and norms against NumPy's."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax.training import optim, vectors

SHAPES = {'kernel': (3, 3, 4, 2), 'layer': {'bias': (5,), 'scale': ()}}
SIZE = 3 * 3 * 4 * 2 + 5 + 1


def draw(seed):
  rng = np.random.default_rng(seed)
  leaf = lambda shape: jnp.asarray(rng.normal(size=shape), jnp.float32)
  return jax.tree.map(leaf, SHAPES, is_leaf=lambda x: isinstance(x, tuple))


def constant(value):
  return optim.cosine(value, None, 0)


def settings(**other):
  return optim.Adam(constant(0.1), 0.5, constant(0.9), **other)


@pytest.mark.parametrize('other', [{}, {'clip_norm': 0.1, 'weight_decay': 0.3}])
def test_rows_are_updated_as_vectors_are_and_leave_a_state_of_vectors(other, monkeypatch):
  params = draw(0)
  moved = []
  for of_rows in (False, True):
    if of_rows:
      on_a_tpu = lambda *arguments, tpu, plain: tpu(*arguments)
      monkeypatch.setattr(vectors.linear, 'by_platform', on_a_tpu)
    tx = optim.adam(settings(**other))
    state, now = tx.init(params), params
    for seed in range(1, 4):
      updates, state = tx.update(draw(seed), state, now)
      now = optax.apply_updates(now, updates)
    moved.append((now, state))
  shapes = [jax.tree.map(lambda x: (x.shape, x.dtype), each) for each in moved]
  assert shapes[0] == shapes[1]
  assert moved[1][1].mu.shape == (SIZE,)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7), *moved)


def test_moments_of_sixteen_bits_are_rounded_by_the_same_draws(monkeypatch):
  params = draw(0)
  tx = optim.adam(settings(moments='bfloat16'))
  _, expected = tx.update(draw(1), tx.init(params), params)
  monkeypatch.setattr(vectors.linear, 'by_platform', lambda *of, tpu, plain: tpu(*of))
  _, found = tx.update(draw(1), tx.init(params), params)
  for a, b in ((found.mu, expected.mu), (found.nu, expected.nu)):
    assert a.dtype == b.dtype == jnp.bfloat16
    # The same up and down, but for values that differ in their last bit of float32.
    assert np.mean(np.asarray(a) == np.asarray(b)) > 0.9


@pytest.mark.parametrize('norm', [vectors._norm_of_vector, vectors._norm_of_leaves])
def test_both_norms_are_numpys(norm):
  tree = draw(2)
  whole = np.concatenate([np.ravel(x) for x in jax.tree.leaves(tree)]).astype(np.float64)
  np.testing.assert_allclose(norm(tree), np.linalg.norm(whole), rtol=1e-6)
  np.testing.assert_allclose(vectors.global_norm(tree), np.linalg.norm(whole), rtol=1e-6)


def test_each_platform_gets_its_own_layout():
  """Of a TPU's update one row alone is made, of the gradient; and the norm needs none."""
  tx, params = optim.adam(settings()), draw(0)

  def update(grads, state, params):
    updates, state = tx.update(grads, state, params)
    return updates, state, vectors.global_norm(grads)

  traced = jax.jit(update).trace(draw(1), tx.init(params), params)
  text = {p: traced.lower(lowering_platforms=(p,)).as_text() for p in ('tpu', 'cuda', 'cpu')}
  vector = {p: len(re.findall(rf'concatenate.*-> tensor<{SIZE}xf32>', text[p])) for p in text}
  row = {p: len(re.findall(rf'concatenate.*-> tensor<1x{SIZE}xf32>', text[p])) for p in text}
  assert vector['tpu'] == 0 < vector['cpu'] == vector['cuda']
  assert row['tpu'] > 0 == row['cpu'] == row['cuda']
