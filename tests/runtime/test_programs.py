"""Programs kept between runs are found again, and never in place of others."""

import ast
import os
import pathlib
import platform

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.runtime import parallel, programs


@pytest.fixture
def folder(tmp_path, monkeypatch):
  """An empty folder of programs in place of the shared one."""
  before = jax.config.jax_compilation_cache_dir
  jax.config.update('jax_compilation_cache_dir', str(tmp_path))
  yield tmp_path
  jax.config.update('jax_compilation_cache_dir', before)


def kept(folder):
  return sorted(folder.glob('*.program'))


def counted():
  """A function of an array, and a list that grows whenever it is traced."""
  traced = []

  def function(x):
    traced.append(x.shape)
    return {'sum': jnp.sin(x).sum(), 'double': 2 * x}

  return function, traced


def test_a_second_start_neither_traces_nor_compiles_and_gives_the_same_bits(folder):
  function, traced = counted()
  x = np.linspace(0, 1, 7, dtype=np.float32)
  first = programs.Program(jax.jit(function), 'a')(x := jnp.asarray(x))
  second = programs.Program(jax.jit(function), 'a')
  again = second(x)
  assert len(traced) == 1
  assert second.loaded
  assert jax.tree.structure(first) == jax.tree.structure(again)
  assert all(np.array_equal(a, b) for a, b in zip(first.values(), again.values(), strict=True))
  assert second.compiled(x).out_info['double'].shape == (7,)


def test_over_devices_state_is_donated_by_a_kept_program_too(folder):
  step = lambda state, x: (state + jax.lax.pmean(x, parallel.AXIS), x)
  for _ in range(2):  # compiled, then loaded
    program = programs.Program(parallel.pmap_step(step), 'mean')
    state = parallel.replicate(jnp.zeros(3))
    batch = parallel.shard({'x': np.arange(24, dtype=np.float32)})['x']
    after, _ = program(state, batch)
    assert np.allclose(parallel.to_host(after), np.arange(24).reshape(8, 3).mean(0))
    assert state.is_deleted()
  assert len(kept(folder)) == 1


def test_whatever_a_program_is_made_of_is_in_its_key(folder, monkeypatch):
  x = jnp.ones(3)
  make = lambda about, x: programs.Program(jax.jit(lambda x: x + 1), about)(x)
  make({'beta1': 0.0}, x)
  make({'beta1': 0.5}, x)
  make({'beta1': 0.5}, jnp.ones(4))
  make({'beta1': 0.5}, x.astype(jnp.bfloat16))
  assert len(kept(folder)) == 4
  make({'beta1': 0.5}, x)
  assert len(kept(folder)) == 4
  monkeypatch.setattr(programs, '_code', lambda: 'other code')
  monkeypatch.setattr(programs, '_CODE_AT_START', 'other code')
  make({'beta1': 0.5}, x)
  monkeypatch.setenv('XLA_FLAGS', '--other')
  programs._machine.cache_clear()
  make({'beta1': 0.5}, x)
  programs._machine.cache_clear()
  assert len(kept(folder)) == 6


def test_settings_of_jax_that_change_what_is_traced_are_in_the_key(folder):
  function = lambda x: x @ x
  make = lambda: programs.Program(jax.jit(function), 'product')(jnp.ones((2, 2)))
  make()
  with jax.default_matmul_precision('float32'):
    make()
  with jax.default_matmul_precision('bfloat16'):
    make()
  assert len(kept(folder)) == 3


def test_where_arrays_lie_is_in_the_key(folder):
  for device in jax.devices()[:2]:
    x = jax.device_put(np.ones(3, np.float32), device)
    programs.Program(jax.jit(lambda x: x + 1), 'a')(x)
  assert len(kept(folder)) == 2


@pytest.fixture
def tree(tmp_path, monkeypatch):
  """A package of a file in each place that programs are made of."""
  root = tmp_path / 'package'
  for name in programs.TRACED:
    path = root / name if name.endswith('.py') else root / name / 'inner' / 'part.py'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('x = 1')
  monkeypatch.setattr(programs, '__file__', str(root / 'runtime' / 'programs.py'))
  return root


def test_every_change_of_the_code_is_in_the_key(tree):
  found = {programs._code()}
  paths = sorted(tree.rglob('*.py'))
  assert len(paths) == len(programs.TRACED)
  for path in paths:
    path.write_text('x = 2')  # as long as before
    found.add(programs._code())
  paths[0].rename(paths[0].with_name('other.py'))
  found.add(programs._code())
  assert len(found) == len(paths) + 2


@pytest.mark.parametrize('package', ['jax', 'jaxlib', 'flax', 'optax'])
def test_the_version_of_every_package_that_traces_or_compiles_is_in_the_key(
  package, tree, monkeypatch
):
  before, version = programs._code(), programs.metadata.version
  monkeypatch.setattr(
    programs.metadata, 'version', lambda name: '99' if name == package else version(name)
  )
  assert programs._code() != before


def test_what_the_processor_can_do_is_in_the_key(monkeypatch):
  found = set()
  for flags in ('flags : avx2', 'flags : avx512f', 'Features : sve', 'model name : other'):
    with monkeypatch.context() as patch:
      patch.setattr(
        pathlib.Path, 'read_text', lambda *_, flags=flags, **__: f'processor: 0\n{flags}'
      )
      programs._machine.cache_clear()
      found.add(str(programs._machine()))
  programs._machine.cache_clear()
  assert len(found) == 4


def test_a_program_is_never_there_in_part(folder, monkeypatch):
  written = []
  write = pathlib.Path.write_bytes
  monkeypatch.setattr(
    pathlib.Path, 'write_bytes', lambda path, data: written.append(path) or write(path, data)
  )
  programs.Program(jax.jit(lambda x: x + 1), 'a')(jnp.ones(3))
  assert written
  assert not {path.name for path in written} & {path.name for path in kept(folder)}
  assert len(kept(folder)) == 1


def test_the_cores_that_may_be_used_and_what_the_compiler_is_told_are_in_the_key(monkeypatch):
  found = set()
  for cores in ({0}, {0, 1}):
    for name in ('XLA_FLAGS', 'PJRT_NPROC', 'NPROC'):
      with monkeypatch.context() as patch:
        patch.setattr(os, 'sched_getaffinity', lambda pid, cores=cores: cores)
        patch.setenv(name, '1')
        programs._machine.cache_clear()
        found.add(str(programs._machine()))
  programs._machine.cache_clear()
  assert len(found) == 6


@pytest.mark.parametrize(('place', 'hosts'), [(None, 1), ('gs://bucket/cache', 1), ('here', 2)])
def test_without_a_folder_of_this_machine_or_on_several_nothing_is_kept(
  folder, monkeypatch, place, hosts
):
  x = jnp.ones(3)
  assert programs._path(x, 'a').parent == folder
  monkeypatch.setattr(jax, 'process_count', lambda: hosts)
  jax.config.update('jax_compilation_cache_dir', str(folder) if place == 'here' else place)
  assert programs._path(x, 'a') is None


def test_where_a_system_does_not_tell_its_cores_programs_have_a_key_all_the_same(monkeypatch):
  monkeypatch.delattr(os, 'sched_getaffinity', raising=False)
  programs._machine.cache_clear()
  assert platform.machine() in programs._machine()
  programs._machine.cache_clear()


def test_code_that_was_edited_since_the_start_is_not_kept_for(folder, monkeypatch):
  """What was imported may be the old code or the new one: it belongs under no key."""
  x = jnp.ones(3)
  monkeypatch.setattr(programs, '_code', lambda: 'edited')
  assert programs.Program(jax.jit(lambda x: x + 1), 'a')(x)[0] == 2
  assert kept(folder) == []


def test_for_a_package_that_is_edited_nothing_is_kept(folder, monkeypatch):
  monkeypatch.setattr(programs, '_editable', lambda name: name == 'flax')
  programs.Program(jax.jit(lambda x: x + 1), 'a')(jnp.ones(3))
  assert kept(folder) == []


def test_what_a_killed_process_left_goes_and_what_is_in_the_making_stays(folder):
  old, new = folder / 'a.tmp', folder / 'b.tmp'
  old.write_bytes(b'x')
  new.write_bytes(b'x')
  (folder / 'c.tmp').mkdir()
  for path in (old, folder / 'c.tmp'):
    os.utime(path, (0, 0))
  programs.Program(jax.jit(lambda x: x + 1), 'a')(jnp.ones(3))
  assert sorted(path.name for path in folder.glob('*.tmp')) == ['b.tmp']


@pytest.mark.parametrize('content', [b'', b'torn', None])
def test_a_torn_file_is_compiled_anew(folder, content):
  x = jnp.arange(4.0)
  make = lambda: programs.Program(jax.jit(lambda x: x * x), 'square')(x)
  expected = make()
  (path,) = kept(folder)
  whole = path.read_bytes()
  path.write_bytes(whole[: len(whole) // 2] if content is None else content)
  assert np.array_equal(make(), expected)
  assert len(path.read_bytes()) > len(whole) // 2  # and whole again


def test_the_programs_unused_for_the_longest_go(folder, monkeypatch):
  monkeypatch.setattr(programs, '_KEPT', 2)
  x = jnp.ones(2)
  make = lambda number: programs.Program(jax.jit(lambda x: -x), number)(x)
  make(0)
  (first,) = kept(folder)
  make(1)
  (second,) = set(kept(folder)) - {first}
  for seconds, path in enumerate((first, second)):  # a disk's clock can be coarser than a load
    os.utime(path, (seconds, seconds))
  make(0)
  make(2)
  assert len(kept(folder)) == 2
  assert first in kept(folder)
  assert second not in kept(folder)


def test_all_code_that_a_step_is_made_of_is_in_the_key():
  root = pathlib.Path(programs.__file__).parent.parent
  # Messages, input, scores, and weights that are brought from elsewhere.
  without_part = {
    'errors',
    'text',
    'data',
    'evaluation',
    'features',
    'sampling',
    'workdir',
    'share',
  }
  for name in programs.TRACED:
    path = root / name
    for file in [path] if path.suffix else path.rglob('*.py'):
      for node in ast.walk(ast.parse(file.read_text())):
        if not isinstance(node, ast.ImportFrom) or not (node.module or '').startswith('gan_jax'):
          continue
        rooms = node.module.split('.')[1:2] or [alias.name for alias in node.names]
        for room in set(rooms) - without_part:
          kept = (room, f'{room}.py', f'{room}/parallel.py')
          assert set(kept) & set(programs.TRACED), f'{file}: {room}'


def _own_and_closed(path):
  os.chmod(path.parent, 0o755)
  os.chmod(path, 0o600)


@pytest.mark.parametrize('whose', ['file owned', 'file written', 'folder owned', 'folder written'])
def test_what_another_user_may_have_put_there_is_not_loaded_and_told_once(folder, whose, caplog):
  if os.geteuid() and whose.endswith('owned'):
    pytest.skip('only root gives files to others')
  made = lambda: programs.Program(jax.jit(lambda x: x + 2), 'plus two')
  x = jnp.arange(3.0)
  made()(x)
  (path,) = kept(folder)
  _own_and_closed(path)
  again = made()
  again(x)
  assert again.loaded
  # In place of the program, what would leave a trace if it were unpickled.
  trace = folder.parent / f'{folder.name}.trace'
  evil = f"cposix\nsystem\n(S'touch {trace}'\ntR.".encode()
  for _ in range(2):
    path.write_bytes(evil)
    _own_and_closed(path)
    place = path if whose.startswith('file') else folder
    if whose.endswith('owned'):
      os.chown(place, 12345, 12345)
    else:
      os.chmod(place, place.stat().st_mode | 0o020)
    once_more = made()
    np.testing.assert_array_equal(once_more(x), [2, 3, 4])
    assert not once_more.loaded
    assert not trace.exists()
    os.chown(folder, os.geteuid(), -1)
  assert caplog.text.count('another user owns it or may write to it') == 1
  # The pickle does run where nothing is checked.
  _own_and_closed(path)
  path.unlink()
  path.write_bytes(evil)
  os.chmod(path, 0o600)
  made()(x)
  assert trace.exists()


def test_in_a_folder_that_only_the_user_enters_the_bits_of_files_say_nothing(folder):
  os.chmod(folder, 0o700)
  made = lambda: programs.Program(jax.jit(lambda x: x + 3), 'plus three')
  made()(jnp.ones(2))
  (path,) = kept(folder)
  os.chmod(path, 0o664)  # as by a umask of 002
  again = made()
  again(jnp.ones(2))
  assert again.loaded
