"""Compiled programs kept between runs, so that a second start neither traces nor compiles.

JAX's own cache of compiled programs is keyed by the lowered program, so it is asked only after
tracing and lowering, which for a training step take longer than loading what was compiled. Here the
key is what the program is made of: the code that is traced, the networks, the config, the shapes,
the versions and the machine. Whatever differs in any of them is another key.
"""

import functools
import hashlib
import json
import logging
import os
import pathlib
import pickle
import platform
from importlib import metadata
from typing import Any, NamedTuple

import jax
from jax.experimental import serialize_executable
from jax.experimental.compilation_cache import compilation_cache

from gan_jax.runtime import cache, parallel

# What a traced program can be made of, under the package: its steps, their parts, their operations.
TRACED = ('build', 'training', 'models', 'pretrained', 'ops', 'registry.py', 'runtime/parallel.py')
# Settings of which devices there are, which are in the key themselves.
_OF_DEVICES = ('jax_platforms', 'jax_num_cpu_devices')
_PACKAGES = ('jax', 'jaxlib', 'flax', 'optax')
_KEPT = 64  # programs; the one unused for the longest goes first
_SUFFIX = '.program'
_TOLD = ('XLA_', 'TF_XLA', 'PJRT_', 'LIBTPU_', 'NPROC')  # variables that the compiler reads


class Program:
  """A function that is compiled, or loaded as compiled before, when it is first called."""

  def __init__(self, function: Any, about: Any):
    """Wraps a function.

    Args:
      function: result of `jax.jit` or `jax.pmap`.
      about: what it was made of apart from the traced code, as JSON; the function is not looked at.
    """
    self._function, self._about = function, about
    self._compiled: Any = None
    self.loaded = False  # whether what it runs was kept by an earlier one

  @property
  def ready(self) -> bool:
    """Whether it is compiled."""
    return self._compiled is not None

  @property
  def executable(self) -> Any:
    """The `jax.stages.Compiled`; None before it is compiled."""
    return self._compiled

  def __call__(self, *arguments: Any) -> Any:
    """Calls the function; all calls have arguments of the same shapes and placement."""
    return self.compiled(*arguments)(*arguments)

  def compiled(self, *arguments: Any) -> Any:
    """The `jax.stages.Compiled` for arguments like these, without calling it."""
    if self._compiled is None:
      path = _path(arguments, self._about)
      kept = _load(path, arguments)
      self.loaded = kept is not None
      self._compiled = kept or _compile(self._function, arguments, path)
    return self._compiled


class Memory(NamedTuple):
  """Memory that a program takes of each device, bytes, as its compiler counts it.

  Attributes:
    arguments: of what it is given.
    results: of what it returns.
    reused: of the results, those in the place of arguments.
    temporary: that is there while it runs.
  """

  arguments: int
  results: int
  reused: int
  temporary: int

  @property
  def held(self) -> int:
    """Of what is there before it runs or after it."""
    return self.arguments + self.results - self.reused

  @property
  def total(self) -> int:
    """The most that is there at once."""
    return self.held + self.temporary


def memory_of(compiled: Any) -> Memory | None:
  """The memory of a `jax.stages.Compiled`; None where its backend does not count it."""
  found = compiled.memory_analysis()
  if found is None:
    return None
  return Memory(
    found.argument_size_in_bytes,
    found.output_size_in_bytes,
    found.alias_size_in_bytes,
    found.temp_size_in_bytes,
  )


def _path(arguments: Any, about: Any) -> pathlib.Path | None:
  """Where this program is kept; None where nothing is kept, or by several hosts at once."""
  folder = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
  if folder is None or '://' in folder or jax.process_count() > 1:
    return None
  # Code that was edited since this process began is not what it imported, or not all of it; and of
  # a package that is being edited the version says nothing.
  if _code() != _CODE_AT_START or any(map(_editable, _PACKAGES)):
    return None
  shapes = jax.tree.map(lambda x: f'{x.shape} {x.dtype} {x.sharding}', arguments)
  settings = {
    name: repr(value)
    for name, value in jax.config.values.items()
    if 'cache' not in name and name not in _OF_DEVICES
  }
  parts = [about, str(shapes), settings, _code(), _machine()]
  key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
  return pathlib.Path(folder) / f'{key[:32]}{_SUFFIX}'


def _code() -> str:
  """A hash of the code that is traced, as it is now, and of what traces and compiles it."""
  digest = hashlib.sha256()
  root = pathlib.Path(__file__).parent.parent
  for name in TRACED:
    path = root / name
    for file in [path] if path.suffix else sorted(path.rglob('*.py')):
      digest.update(f'{file.relative_to(root)}\n'.encode() + file.read_bytes())
  digest.update(' '.join(metadata.version(name) for name in _PACKAGES).encode())
  return digest.hexdigest()


_CODE_AT_START = _code()


@functools.cache
def _editable(package: str) -> bool:
  """Whether a package is installed as a folder that somebody edits."""
  try:
    about = metadata.distribution(package).read_text('direct_url.json')
  except metadata.PackageNotFoundError:
    return False
  return bool(json.loads(about).get('dir_info', {}).get('editable')) if about else False


@functools.cache
def _machine() -> list[str]:
  """What a program was compiled for: a home folder can be shared by unlike machines."""
  try:
    lines = pathlib.Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines()
  except OSError:
    lines = []
  flags = [line for line in lines if line.startswith(('flags', 'Features'))][:1]
  devices = [f'{d.id} {d.platform} {d.device_kind}' for d in jax.devices()]
  version = jax.devices()[0].client.platform_version
  # XLA divides its loops among as many threads as it may use cores.
  cores = str(len(os.sched_getaffinity(0))) if hasattr(os, 'sched_getaffinity') else ''
  told = [f'{k}={v}' for k, v in sorted(os.environ.items()) if k.startswith(_TOLD)]
  return [*devices, version, platform.machine(), *flags, cores, *told]


def _load(path: pathlib.Path | None, arguments: Any) -> Any:
  """The program kept at a path, None where there is none that can be used."""
  if path is None:
    return None
  used = set().union(*(x.sharding.device_set for x in jax.tree.leaves(arguments)))
  devices = [device for device in jax.devices() if device in used]
  try:
    with open(path, 'rb') as file:
      stranger = cache.foreign(path, os.fstat(file.fileno()), os.stat(path.parent))
      if stranger:  # what is unpickled is run
        cache.tell_once(f'{stranger}; the compiled program there is not loaded')
        return None
      serialized, in_tree, out_tree = pickle.load(file)
    program = serialize_executable.deserialize_and_load(
      serialized, in_tree, out_tree, execution_devices=devices
    )
    os.utime(path)
    return program
  except FileNotFoundError:
    return None
  except Exception as error:  # whatever a torn file may raise, or a runtime that refuses it
    logging.getLogger(__name__).debug('compiling anew, %s: %s', path, error)
    return None


def _compile(function: Any, arguments: Any, path: pathlib.Path | None) -> Any:
  if path is None:
    return parallel.compile_for(function, *arguments)
  # Without JAX's cache: a CPU program that came out of it cannot be serialised whole.
  enabled = jax.config.jax_enable_compilation_cache  # type: ignore[attr-defined]
  jax.config.update('jax_enable_compilation_cache', False)
  compilation_cache.reset_cache()
  try:
    program = parallel.compile_for(function, *arguments)
  finally:
    jax.config.update('jax_enable_compilation_cache', enabled)
    compilation_cache.reset_cache()
  _keep(program, path)
  return program


def _keep(program: Any, path: pathlib.Path) -> None:
  try:
    content = pickle.dumps(serialize_executable.serialize(program))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f'.{os.getpid()}.tmp')
    temporary.write_bytes(content)
    temporary.replace(path)
    cache.keep_newest(path.parent, _SUFFIX, _KEPT)
  except Exception as error:  # a program that is not kept is compiled the next time
    logging.getLogger(__name__).debug('not kept, %s: %s', path, error)
