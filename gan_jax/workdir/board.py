"""TensorBoard events of a run, written as they come.

Without a thread in between: one that meets a full disk dies, and whoever waits for it waits for
ever. What cannot be written is not worth a run: it is told once, and left out from there on.
"""

import logging
import os
import time
from typing import Any

import numpy as np

_LOG = logging.getLogger(__name__)


class Board:
  """Writes scalars and images over images shown."""

  def __init__(self, folder: str, images: int):
    """Begins a file of events; those of before that came after `images` shown are hidden."""
    from tensorboardX import event_file_writer
    from tensorboardX.proto import event_pb2

    self._folder = folder
    self._event: Any = event_pb2.Event
    self._writer: Any = None
    try:
      os.makedirs(folder, exist_ok=True)
      self._writer = event_file_writer.EventsWriter(os.path.join(folder, 'events'))
    except OSError as error:
      self._give_up(error)
    if images:
      start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
      self._write(images + 1, session_log=start)

  def numbers(self, values: dict[str, float], images: int) -> None:
    """Adds numbers by name, seen by others at once."""
    from tensorboardX import summary

    for name, value in values.items():
      self._write(images, summary=summary.scalar(name, value))
    self._flush()

  def image(self, name: str, picture: np.ndarray, images: int) -> None:
    """Adds `[H, W, C]` uint8."""
    from tensorboardX import summary

    self._write(images, summary=summary.image(name, picture, dataformats='HWC'))
    self._flush()

  def close(self) -> None:
    """Ends the file."""
    self._flush()
    if self._writer is not None:
      self._writer.close()

  def _flush(self) -> None:
    if self._writer is not None:
      try:
        self._writer.flush()
      except OSError as error:
        self._give_up(error)

  def _write(self, images: int, **values: Any) -> None:
    if self._writer is None:
      return
    try:
      self._writer.write_event(self._event(wall_time=time.time(), step=images, **values))
    except OSError as error:
      self._give_up(error)

  def _give_up(self, error: OSError) -> None:
    self._writer = None
    _LOG.warning('! %s: %s; nothing more is written there', self._folder, error.strerror)
