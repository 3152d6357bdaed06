"""Shows trained generators on a page of this machine, to be moved, mixed and compared."""

import threading
from collections.abc import Callable, Sequence

from gan_jax.exploring.gallery import Gallery, entries
from gan_jax.exploring.serving import serving
from gan_jax.runtime import cache


def explore(paths: Sequence[str], port: int, announce: Callable[[str], None]) -> None:
  """Serves the page until the process is stopped.

  Args:
    paths: workdirs of runs, or what else `gan_jax.open` takes; the first one is shown first.
    port: to listen on, of loopback alone; 0: any that is free.
    announce: is given the address that opens the page, good for one window; when it is used, the
      next.

  Raises:
    UserError: for paths without a generator, or a port that cannot be listened on.
  """
  cache.enable_compilation_cache()
  with serving(Gallery(entries(paths)), port, announce):
    threading.Event().wait()
