"""Where numbers are not finite: back to a good checkpoint by other draws; counts at great sizes."""

import numpy as np
import pytest

from configs import smoke
from gan_jax import build
from gan_jax.errors import NonFiniteError, UserError
from gan_jax.loop import Run
from gan_jax.monitoring import log
from gan_jax.runtime import parallel
from gan_jax.train import train
from gan_jax.workdir import checkpoint, record


def config(**changes):
  made = smoke.get_config()
  short = {'evaluate.images': 0, 'train.diagnose': False, 'train.log_images': 16}
  saved = {'train.images': 128, 'train.checkpoint_images': 48, 'train.rollbacks': 2}
  made.update_from_flattened_dict({**short, **saved, **changes})
  return made


def digests(workdir):
  found = checkpoint.Checkpointer(str(workdir), read_only=True)
  return found.about(found.latest())


@pytest.fixture
def breaks(monkeypatch):
  """Has the losses of some steps, numbered over all starts, be called not finite."""

  def at(*numbers):
    count, fetched = [0], log._fetched

    def broken(metrics):
      values = fetched(metrics)
      count[0] += 1
      return values | {'g_finite': 0.0} if count[0] in numbers else values

    monkeypatch.setattr(log, '_fetched', broken)

  return at


@pytest.fixture
def shown(monkeypatch):
  """The batches that are trained on."""
  batches, shard = [], parallel.shard

  def noted(batch):
    batches.extend([batch['image'].copy()] if isinstance(batch, dict) else [])
    return shard(batch)

  monkeypatch.setattr(parallel, 'shard', noted)
  return batches


def test_the_run_goes_back_and_on_by_other_draws_each_time_recorded(
  tmp_path, breaks, shown, capsys, user_folders
):
  plain = str(tmp_path / 'plain')
  train(config(), plain)
  straight = list(shown)
  shown.clear()
  breaks(5, 10)  # the fifth step, and the fifth after that: 4 to 8 once more
  workdir = str(tmp_path / 'run')
  train(config(), workdir)
  events = record.read_metrics(workdir, 'rollback')
  assert [(e['count'], e['step'], e['images'], e['not_finite']) for e in events] == [
    (1, 3, 48, 5),
    (2, 6, 96, 8),
  ]
  assert 'going back to step 3, on with other draws (1 of 2 times)' in capsys.readouterr().err
  # The same images before, others after.
  assert all(np.array_equal(a, b) for a, b in zip(shown[:3], straight[:3], strict=True))
  redone = shown[len(shown) - 5 :]
  assert not any(np.array_equal(a, b) for a, b in zip(redone, straight[3:], strict=True))
  lines = record.read_metrics(workdir, 'train')
  assert [line['step'] for line in lines] == list(range(1, 9))
  assert not record.read_metrics(workdir, 'non_finite')
  assert digests(workdir)['rollbacks'] == 2
  # And so again, to the same bits.
  breaks(5, 10)
  train(config(), str(tmp_path / 'again'))
  assert digests(tmp_path / 'again')[checkpoint.DIGESTS] == digests(workdir)[checkpoint.DIGESTS]
  assert digests(workdir)[checkpoint.DIGESTS] != digests(plain)[checkpoint.DIGESTS]


def test_a_restart_knows_how_often_the_run_went_back(tmp_path, breaks, monkeypatch, user_folders):
  whole, parts = str(tmp_path / 'whole'), str(tmp_path / 'parts')
  breaks(2, 7)
  train(config(), whole)  # from the beginning, where nothing was saved yet
  assert record.read_metrics(whole, 'rollback')[0]['step'] == 0

  breaks(2)
  with monkeypatch.context() as patch:
    write = Run._record_rollback

    def killed(*arguments):
      write(*arguments)
      raise KeyboardInterrupt

    patch.setattr(Run, '_record_rollback', killed)
    with pytest.raises(KeyboardInterrupt):
      train(config(), parts)
  (event,) = record.read_metrics(parts, 'rollback')
  assert event['count'] == 1
  breaks(5)
  train(config(), parts)
  assert [e['count'] for e in record.read_metrics(parts, 'rollback')] == [1, 2]
  assert digests(parts)[checkpoint.DIGESTS] == digests(whole)[checkpoint.DIGESTS]


def test_after_so_many_times_it_stops_with_the_last_good_one(tmp_path, user_folders):
  workdir = str(tmp_path)
  train(config(**{'train.images': 48}), workdir)
  leap = config(**{'generator_optimizer.learning_rate': 1e39})
  with pytest.raises(
    NonFiniteError, match=r'stopped after going back 2 times, the last good one is step 3'
  ):
    train(leap, workdir, allow_config_changes=True)
  assert [e['count'] for e in record.read_metrics(workdir, 'rollback')] == [1, 2]
  assert len(record.read_metrics(workdir, 'non_finite')) == 1
  assert checkpoint.Checkpointer(workdir, read_only=True).latest() == 3
  # Allowed once more, counts go on; with what was wrong put right the run comes to its end.
  with pytest.raises(NonFiniteError, match='stopped after going back 3 times'):
    train(
      config(**{'generator_optimizer.learning_rate': 1e39, 'train.rollbacks': 3}),
      workdir,
      allow_config_changes=True,
    )
  train(config(), workdir, allow_config_changes=True)
  assert digests(workdir)['rollbacks'] == 3


def test_an_order_of_its_own_for_every_time_back(digits):
  for balanced in (False, True):
    made = config(**{'dataset.balanced': balanced})
    first = [next(build.batches(made, digits, 4000, order))['image'] for order in (0, 1, 2)]
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first[1], first[2])
    np.testing.assert_array_equal(first[1], next(build.batches(made, digits, 4000, 1))['image'])


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'train.rollbacks': -1}, r'config\.train\.rollbacks=-1: accepted: integers from 0'),
    (
      {'train.images': 4_000_000_001},
      r'config\.train\.images=4000000001: accepted: .*4,000,000,000',
    ),
    ({'train.images': 4_000_000_000, 'train.batch_size': 1}, r'takes 4,000,000,000 steps'),
  ],
)
def test_counts_that_cannot_be_kept_are_refused(changes, message, monkeypatch):
  monkeypatch.setattr(parallel, 'check_batch', lambda *_: None)  # of eight devices
  with pytest.raises(UserError, match=message):
    build.check(config(**changes))
