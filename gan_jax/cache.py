"""What is kept between runs in the user's cache folder: compiled programs, feature networks."""

import os

import jax


def directory(name: str) -> str:
  """Makes and returns `$XDG_CACHE_HOME/gan_jax/<name>` (`~/.cache` where that is not set)."""
  root = os.environ.get('XDG_CACHE_HOME') or os.path.join(os.path.expanduser('~'), '.cache')
  path = os.path.join(root, 'gan_jax', name)
  os.makedirs(path, exist_ok=True)
  return path


def enable_compilation_cache() -> None:
  """Keeps compiled programs between runs, unless JAX has been told of a folder already."""
  if jax.config.jax_compilation_cache_dir is None:  # type: ignore[attr-defined]
    jax.config.update('jax_compilation_cache_dir', directory('xla'))
  # Every program, however small: start-up is made of many that compile in a fraction of a second.
  jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.0)
  jax.config.update('jax_persistent_cache_min_entry_size_bytes', -1)
