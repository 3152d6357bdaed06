"""Serves the page on this machine's loopback until the command is stopped."""

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator

import uvicorn

from gan_jax.errors import UserError
from gan_jax.exploring.gallery import Gallery
from gan_jax.exploring.guard import Guard
from gan_jax.exploring.server import Explorer

_LOOPBACK = '127.0.0.1'
_LEAST_PORT = 1024  # below, ports are the system's
_WAITING = 128  # connections that are not taken yet
_END_SECONDS = 2


@contextlib.contextmanager
def serving(gallery: Gallery, port: int, announce: Callable[[str], None]) -> Iterator[None]:
  """Within it the page is served.

  Its first model is opened before, so that the page's first pictures come at once.

  Args:
    gallery: the models.
    port: to listen on; 0: any that is free.
    announce: see `Guard`; called from another thread, too.

  Raises:
    UserError: for a port that cannot be listened on, or a first model that cannot be opened.
  """
  with _listening(port) as listening:
    gallery.painter(0)
    explorer = Explorer(gallery)
    app = Guard(explorer.application(), listening.getsockname()[1], announce)
    config = uvicorn.Config(
      app, http='h11', ws='none', lifespan='off', log_config=None, log_level='warning',
      access_log=False, server_header=False, proxy_headers=False,
    )  # fmt: skip
    server = uvicorn.Server(config)
    # Not in the main thread: signals are the command's, see `runtime.preemption`.
    thread = threading.Thread(target=server.run, kwargs={'sockets': [listening]}, daemon=True)
    thread.start()
    try:
      yield
    finally:
      server.should_exit = server.force_exit = True
      explorer.close()
      thread.join(_END_SECONDS)


@contextlib.contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
  if port and not _LEAST_PORT <= port < 2**16:
    raise UserError(f'--port={port}: accepted: {_LEAST_PORT} to 65535, or 0 for any that is free')
  with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
      listening.bind((_LOOPBACK, port))
    except OSError as error:
      said = os.strerror(error.errno or 0)
      raise UserError(f'--port={port}: {said}; accepted: one that is free, or 0') from error
    listening.listen(_WAITING)
    yield listening
