"""How many encoded images are read at a time."""

import os

import pytest

from gan_jax.data import records


class Encoded:
  """Records whose images are so many bytes."""

  def __init__(self, size):
    self._size = size

  def __getitems__(self, rows):
    return [{'row': row, 'image': bytes(self._size)} for row in rows]


@pytest.mark.parametrize('size', [100, 2**20, 2**23])
def test_parts_hold_all_rows_in_order_and_few_bytes_but_an_image_a_thread(size, monkeypatch):
  monkeypatch.setattr(os, 'cpu_count', lambda: 20)
  rows = list(range(7, 97))
  parts = list(records.in_parts(Encoded(size), rows))
  assert [record['row'] for _, found in parts for record in found] == rows
  assert [row for part, _ in parts for row in part] == rows
  for part, found in parts[1:-1]:
    assert len(part) >= 20
    assert sum(len(record['image']) for record in found) <= max(2**24, 20 * size)
