"""Counts of images at sizes where float32 and 31 bits end."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.training import optim, state


@pytest.mark.parametrize('count', [0, 2**24 + 1, 2**31 - 1, 2**31 + 5, 4_000_000_000])
def test_images_are_counted_one_by_one(count):
  stored = np.uint32(count).astype(np.int32)
  made = state.TrainState(**{f.name: None for f in dataclasses.fields(state.TrainState)})
  made = made.replace(images=jnp.asarray(stored))
  add = jax.jit(lambda s, n: s.replace(images=s.images + n))
  assert state.images_of(jax.device_get(made)) == count
  for images in (1, 64, 2048):
    assert state.images_of(jax.device_get(add(made, images))) == count + images
  assert float(state.shown(made)) == np.float32(count)


def test_schedules_go_on_beyond_31_bits():
  halfway = optim.cosine(1.0, 0.0, 4e9)
  shown = lambda count: state.shown(
    state.TrainState(
      **{f.name: None for f in dataclasses.fields(state.TrainState)} | {'images': jnp.int32(count)}
    )
  )
  assert float(halfway(shown(np.uint32(2_000_000_000).astype(np.int32)))) == pytest.approx(0.5)
  late = float(halfway(shown(np.uint32(3_000_000_000).astype(np.int32))))
  assert late == pytest.approx(0.5 * (1 + np.cos(np.pi * 0.75)), rel=1e-5)
