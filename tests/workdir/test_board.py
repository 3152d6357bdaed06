"""TensorBoard reads what a run writes, and a run does without it where it cannot be written."""

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gan_jax.workdir.board import Board


def scalars(folder, name):
  found = EventAccumulator(str(folder))
  found.Reload()
  return [(event.step, event.value) for event in found.Scalars(name)]


def test_tensorboard_reads_values_and_pictures(tmp_path):
  board = Board(str(tmp_path), 0)
  board.numbers({'train/d_loss': 0.5}, 32)
  board.numbers({'train/d_loss': 0.25}, 64)
  board.image('samples', np.zeros((4, 6, 3), np.uint8), 64)
  board.close()
  assert scalars(tmp_path, 'train/d_loss') == [(32, 0.5), (64, 0.25)]
  found = EventAccumulator(str(tmp_path))
  found.Reload()
  (picture,) = found.Images('samples')
  assert (picture.step, picture.width, picture.height) == (64, 6, 4)


def test_what_was_undone_is_hidden(tmp_path):
  board = Board(str(tmp_path), 0)
  for images in (32, 64, 96):
    board.numbers({'a': float(images)}, images)
  board.close()
  again = Board(str(tmp_path), 64)
  again.numbers({'a': 1.0}, 96)
  again.close()
  assert scalars(tmp_path, 'a')[-1] == (96, 1.0)
  assert (96, 96.0) not in scalars(tmp_path, 'a')


@pytest.mark.parametrize('call', ['write_event', 'flush'])
def test_a_full_disk_is_told_once(tmp_path, monkeypatch, caplog, call):
  board = Board(str(tmp_path), 0)

  def full(*_):
    raise OSError(28, 'No space left on device')

  monkeypatch.setattr(board._writer, call, full)
  for images in (1, 2, 3):
    board.numbers({'a': 0.0}, images)
  board.close()
  assert caplog.text.count('No space left on device') == 1


def test_a_place_that_cannot_be_written_does_not_end_a_run(tmp_path, caplog):
  (tmp_path / 'file').touch()
  board = Board(str(tmp_path / 'file' / 'x'), 32)
  board.numbers({'a': 0.0}, 64)
  board.close()
  assert 'nothing more is written there' in caplog.text
