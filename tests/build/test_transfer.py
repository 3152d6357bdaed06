"""Runs that start from another run's weights."""

import json
import os

import jax
import numpy as np
import pytest

from configs import smoke
from gan_jax import build
from gan_jax.errors import UserError
from gan_jax.train import train
from gan_jax.workdir import checkpoint


def config(source, **changes):
  made = smoke.get_config()
  made.evaluate.images = 0
  made.seed = 5
  made.train.images = 48
  made.init.workdir = source
  made.update_from_flattened_dict(changes)
  return made


def test_what_is_compiled_for_a_run_that_was_opened_is_kept(finished, own_cache):
  build.open_run(finished[0], None)
  assert jax.config.jax_compilation_cache_dir == str(own_cache)


def started(source, **changes):
  """The state of step 0 of a run, and the record of what it took."""
  made = config(source, **changes)
  build.check(made)
  datasets = build.datasets(made)
  parts = build.networks(made, datasets.train.shape[-1], datasets.train.num_classes)
  first = build.initial_program(made, parts)(jax.random.key(made.seed))
  return first, *build.start_from(made, first, datasets.train)


def saved(source):
  return checkpoint.Checkpointer(source, read_only=True).read()[1]


def equal(a, b):
  return all(
    np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
  )


def test_it_starts_from_the_average_with_fresh_optimisers(finished):
  source = saved(finished[0])
  first, state, told = started(finished[0])
  assert equal(state.generator.params, source['ema']['params'])
  assert equal(state.ema['params'], source['ema']['params'])
  assert equal(state.discriminator.params, source['discriminator']['params'])
  assert equal(state.generator.opt_state, first.generator.opt_state)
  assert state.step == 0
  assert told['generator']['share'] == told['discriminator']['share'] == 1


def test_live_weights_and_one_player_alone(finished):
  source = saved(finished[0])
  first, state, told = started(finished[0], **{'init.weights': 'live', 'init.players': 'generator'})
  assert equal(state.generator.params, source['generator']['params'])
  assert state.generator.mutable
  assert equal(state.generator.mutable, source['generator']['mutable'])
  assert not equal(state.generator.mutable, first.generator.mutable)
  assert equal(state.discriminator.params, first.discriminator.params)
  assert 'discriminator' not in told


@pytest.mark.parametrize(
  ('changes', 'match'),
  [
    ({'dcgan.width': 24}, r'config.init.workdir=.*: \d+% of the generator fits, less than .*shape'),
    ({'init.step': 7}, 'no checkpoint of step 7'),
    ({'init.weights': 'raw'}, "config.init.weights='raw'"),
    (
      {'init.freeze': ('discriminator/convv0',)},
      "config.init.freeze='discriminator/convv0': .*conv0",
    ),
  ],
)
def test_what_does_not_fit_is_refused_and_leaves_no_run(finished, tmp_path, changes, match):
  with pytest.raises(UserError, match=match) as stopped:
    train(config(finished[0], **changes), str(tmp_path / 'run'))
  assert '\n' not in str(stopped.value)
  assert not (tmp_path / 'run' / 'checkpoints').exists() or not os.listdir(
    tmp_path / 'run' / 'checkpoints'
  )


def test_all_of_a_network_may_be_asked_for_where_all_of_it_fits(finished):
  _, _, told = started(finished[0], **{'init.least_share': 1.0})
  assert told['generator']['share'] == 1


def test_no_run_there_is_one_line(tmp_path):
  with pytest.raises(UserError, match=r'config\.init\.workdir=.*holds no run'):
    started(str(tmp_path / 'nothing'))


def test_a_frozen_layer_stays_through_training_and_the_record_says_what_was_taken(
  finished, tmp_path
):
  source = saved(finished[0])
  train(config(finished[0], **{'init.freeze': ('discriminator/conv1',)}), str(tmp_path))
  after = saved(str(tmp_path))
  names = sorted(after['discriminator']['params'])
  kept = [
    name
    for name in names
    if equal(after['discriminator']['params'][name], source['discriminator']['params'][name])
  ]
  assert kept == ['conv1']
  told = json.loads((tmp_path / 'init.json').read_text())
  assert told['discriminator']['share'] == 1
  assert os.path.isabs(told['from'])
