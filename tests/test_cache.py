"""What may stay in a cache folder."""

import os

import pytest

from gan_jax import cache


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
