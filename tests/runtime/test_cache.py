"""What is written to a cache folder, read from it, and may stay there."""

import os

import jax
import numpy as np
import pytest

from gan_jax.runtime import cache


@pytest.fixture
def folder(tmp_path):
  for age in range(4):
    path = tmp_path / f'{age}.kept'
    path.write_bytes(b'x' * 10)
    os.utime(path, (1000 - age, 1000 - age))
  (tmp_path / 'else.txt').write_bytes(b'x' * 1000)
  return tmp_path


@pytest.mark.parametrize(
  ('count', 'total_bytes', 'stay'), [(2, 100, 2), (9, 35, 3), (9, 30, 3), (1, 35, 1), (9, 1, 1)]
)
def test_the_newest_stay_within_both_bounds(folder, count, total_bytes, stay):
  cache.keep_newest(folder, '.kept', count, total_bytes)
  assert sorted(p.name for p in folder.iterdir()) == [f'{i}.kept' for i in range(stay)] + [
    'else.txt'
  ]


def test_without_a_bound_on_bytes_the_count_alone_decides(folder):
  cache.keep_newest(folder, '.kept', 3)
  assert len(list(folder.glob('*.kept'))) == 3


def test_a_file_with_any_bit_flipped_gives_the_same_arrays_or_none(tmp_path):
  path, rng = tmp_path / 'a.npz', np.random.default_rng(0)
  arrays = {'pooled': rng.normal(size=3), 'logits': rng.normal(size=2)}
  cache.save_arrays(path, arrays)
  whole = path.read_bytes()
  missing = 0
  for place in range(len(whole)):
    bit = 1 << rng.integers(8)
    path.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
    found = cache.load_arrays(path)
    missing += found is None
    if found is not None:
      assert list(found) == list(arrays)
      for name, value in arrays.items():
        np.testing.assert_array_equal(found[name], value)
  assert missing > len(whole) / 2


def test_a_file_without_all_its_arrays_counts_as_not_there(tmp_path):
  path = tmp_path / 'a.npz'
  cache.save_arrays(path, {'pooled': np.ones(2), 'logits': np.ones(3)})
  with np.load(path) as file:
    rest = {name: file[name] for name in file if name != 'logits'}
  np.savez(path, **rest)
  assert cache.load_arrays(path) is None


def test_a_write_that_fails_is_logged_and_leaves_nothing(tmp_path, monkeypatch, caplog):
  def savez(file, **arrays):
    with open(file, 'wb') as part:
      part.write(b'x')
    raise OSError(28, 'No space left on device')

  monkeypatch.setattr(np, 'savez', savez)
  cache.save_arrays(tmp_path / 'a.npz', {'a': np.ones(2)})
  assert 'No space left on device' in caplog.text
  assert list(tmp_path.iterdir()) == []


def test_programs_are_not_kept_where_no_folder_can_be_made(monkeypatch, caplog):
  before = jax.config.jax_compilation_cache_dir
  monkeypatch.setenv('XDG_CACHE_HOME', '/dev/null')
  try:
    jax.config.update('jax_compilation_cache_dir', None)
    cache.enable_compilation_cache()
    assert jax.config.jax_compilation_cache_dir is None
  finally:
    jax.config.update('jax_compilation_cache_dir', before)
  assert 'Not a directory' in caplog.text


@pytest.mark.parametrize('root', ['', 'gs://bucket/cache', 's3://x'])
def test_an_address_is_no_folder_of_this_machine(monkeypatch, root):
  monkeypatch.setenv('XDG_CACHE_HOME', root)
  monkeypatch.setenv('HOME', '/home/of/mine')
  assert str(cache.directory('xla')) == '/home/of/mine/.cache/gan_jax/xla'


def test_the_cache_of_programs_is_made_for_the_user_alone(own_cache):
  umask = os.umask(0)
  try:
    cache.enable_compilation_cache()
  finally:
    os.umask(umask)
  assert own_cache.stat().st_mode & 0o777 == 0o700
  assert jax.config.jax_compilation_cache_dir == str(own_cache)


@pytest.mark.parametrize('named_by', ['default', 'user'])
@pytest.mark.parametrize('harm', ['folder 12345', 'file 12345', 'folder 0o777', 'file 0o666'])
def test_programs_of_jax_that_another_user_may_have_put_there_are_not_read(
  own_cache, harm, named_by, caplog
):
  own_cache.mkdir(parents=True, mode=0o755)
  (own_cache / 'jit_f-cache').write_bytes(b'x')
  what, value = harm.split()
  place = own_cache if what == 'folder' else own_cache / 'jit_f-cache'
  if value.startswith('0o'):
    place.chmod(int(value, 8))
  elif os.geteuid():
    pytest.skip('only root gives files to others')
  else:
    os.chown(place, int(value), int(value))
  for _ in range(2):
    jax.config.update('jax_compilation_cache_dir', str(own_cache) if named_by == 'user' else None)
    cache.enable_compilation_cache()
    assert jax.config.jax_compilation_cache_dir is None
  jax.jit(lambda x: x * 3)(1.0)
  assert [path.name for path in own_cache.iterdir()] == ['jit_f-cache']
  assert caplog.text.count('another user owns it or may write to it; compiled programs') == 1
