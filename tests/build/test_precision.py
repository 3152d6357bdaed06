"""Runs whose moments and average are bfloat16."""

import jax
import jax.numpy as jnp
import numpy as np

from configs import smoke
from gan_jax import build
from gan_jax.train import train
from gan_jax.workdir import checkpoint


def test_state_in_half_the_bytes_is_saved_read_and_goes_on_to_the_same_bits(tmp_path):
  def config(images):
    made = smoke.get_config()
    half = {'ema.precision': 'bfloat16', 'discriminator_optimizer.moments': 'bfloat16'}
    quiet = {'evaluate.images': 0, 'train.diagnose': False, 'train.checkpoint_images': 32}
    made.update_from_flattened_dict({**half, **quiet, 'train.images': images})
    return made

  train(config(48), str(tmp_path / 'whole'))
  train(config(32), str(tmp_path / 'parts'))
  train(config(48), str(tmp_path / 'parts'))
  read = lambda name: checkpoint.Checkpointer(str(tmp_path / name), read_only=True).read()[1]
  whole, parts = read('whole'), read('parts')
  jax.tree.map(np.testing.assert_array_equal, parts, whole)
  kinds = lambda tree: {str(x.dtype) for x in jax.tree.leaves(tree)}
  assert kinds(whole['ema']['params']) == {'bfloat16'}
  assert kinds(whole['ema']['batch_stats']) == kinds(whole['generator']['params']) == {'float32'}
  moments = whole['discriminator']['opt_state']
  assert kinds((moments['mu'], moments['nu'])) == {'bfloat16'}
  assert kinds(whole['generator']['opt_state']['mu']) == {'float32'}
  opened = build.open_run(str(tmp_path / 'whole'), None).variables
  assert kinds(opened) == {'float32'}
  same = lambda a, b: np.testing.assert_array_equal(a, np.asarray(jnp.asarray(b), np.float32))
  jax.tree.map(same, opened, whole['ema'])
