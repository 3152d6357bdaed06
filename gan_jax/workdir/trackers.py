"""Trackers that a run is shown to as it goes: Weights & Biases and Trackio, where asked for.

Each is a writer of three methods, as TensorBoard's is: `numbers`, `image` and `close`. What a
tracker cannot take is not worth a run: it is told once, and left out from there on.
"""

import hashlib
import importlib
import importlib.util
import logging
import os
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from gan_jax.errors import UserError, nearest
from gan_jax.workdir.circumstances import read_circumstances
from gan_jax.workdir.config_file import as_json, load_config

_PROJECT = 'gan_jax'
_LOG = logging.getLogger(__name__)


class Writer(Protocol):
  """What a run is written to while it goes."""

  def numbers(self, values: dict[str, float], images: int) -> None:
    """Adds numbers by name, of after so many images shown."""

  def image(self, name: str, picture: np.ndarray, images: int) -> None:
    """Adds `[H, W, C]` uint8."""

  def close(self) -> None:
    """Ends it, all that was added being kept."""


def check(names: Sequence[str]) -> None:
  """Raises UserError for a tracker that there is not, or that is not installed."""
  for name in names:
    if name not in _STARTS:
      raise UserError(f'--track={name}: {nearest(name, _STARTS)}')
    if importlib.util.find_spec(name) is None:
      raise UserError(f'--track={name}: is not installed; pip install {name}')


def opened(names: Sequence[str], workdir: str) -> list[Writer]:
  """Begins to show a run, or goes on with it where it was shown before."""
  return [Tracker(name, workdir) for name in names]


class Tracker:
  """One run in one tracker; images shown are its axis."""

  def __init__(self, name: str, workdir: str):
    """Starts the tracker's own run, the same one whenever this run goes on."""
    self._name, self._run = name, None
    self._library: Any = None

    def start() -> None:
      self._library = importlib.import_module(name)
      self._run = _STARTS[name](self._library, workdir)

    self._try(start)

  def numbers(self, values: dict[str, float], images: int) -> None:
    """See `Writer`."""
    self._try(lambda: self._run and self._run.log({'images': images, **values}))

  def image(self, name: str, picture: np.ndarray, images: int) -> None:
    """See `Writer`."""
    pixels = picture[..., 0] if picture.shape[-1] == 1 else picture
    self._try(
      lambda: self._run and self._run.log({'images': images, name: self._library.Image(pixels)})
    )

  def close(self) -> None:
    """See `Writer`."""
    self._try(lambda: self._run and self._run.finish())

  def _try(self, what: Callable[[], Any]) -> None:
    try:
      what()
    except Exception as error:  # whatever a library, a login or a network raises
      self._run = None
      text = ' '.join(f'{type(error).__name__}: {error}'.split())[:200]
      _LOG.warning('! --track=%s: %s; nothing more is sent there', self._name, text)


def _wandb(library: Any, workdir: str) -> Any:
  """Begins or resumes a run of Weights & Biases."""
  run = library.init(
    project=_PROJECT, dir=workdir, config=_config(workdir), resume='allow', **_named(workdir)
  )
  # Not its own counter, which cannot go back where a run goes back to a checkpoint.
  run.define_metric('*', step_metric='images')
  return run


def _trackio(library: Any, workdir: str) -> Any:
  """Begins or resumes a run of Trackio, on this machine."""
  names = _named(workdir)
  name = f'{names["name"]} {names["id"]}'  # by which it knows a run again
  return library.init(project=_PROJECT, name=name, config=_config(workdir), resume='allow')


_STARTS: dict[str, Callable[[Any, str], Any]] = {'wandb': _wandb, 'trackio': _trackio}


def _config(workdir: str) -> dict[str, Any]:
  return as_json(load_config(workdir))


def _named(workdir: str) -> dict[str, str]:
  """A name for people, and one that this run alone has, wherever it goes on."""
  starts = read_circumstances(workdir).get('starts') or [{}]
  first = f'{os.path.realpath(workdir)} {starts[0].get("time")}'
  name = os.path.basename(os.path.abspath(workdir))
  return {'name': name, 'id': hashlib.sha256(first.encode()).hexdigest()[:12]}
