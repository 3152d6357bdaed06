import numpy as np
import pytest

from gan_jax.data.ingest.onwards import Onwards, Thing
from gan_jax.data.ingest.picture import RefusedError


def counting(count=1000, size=1, broken=None):
  """Things that are their own places, and a list of where reading began."""
  begun = []

  def begin(first):
    begun.append(first)
    for place in range(first, count):
      if place == broken:
        raise OSError('damaged here')
      yield Thing(size, lambda place=place: place)

  return Onwards(begin), begun


def test_what_is_near_is_gone_past_and_held_for_whom_it_is_for():
  things, begun = counting()
  order = [3, 0, 2, 1, 7, 4, 6, 5, 8]
  assert [things.read(place) for place in order] == order
  assert begun == [0]


@pytest.mark.parametrize('seed', range(3))
def test_any_order_gives_each_its_own(seed):
  things, _ = counting(size=2**25)  # no more than two are held
  for place in np.random.default_rng(seed).integers(0, 1000, 200).tolist():
    assert things.read(place) == place


def test_after_closing_it_goes_on_where_it_was():
  things, begun = counting()
  assert [things.read(0), things.read(1)] == [0, 1]
  things.close()
  assert things.read(2) == 2
  assert begun == [0, 2]


def test_behind_damage_nothing_is_read_again_and_before_it_all_is():
  things, begun = counting(broken=5)
  assert things.read(4) == 4
  for place in (5, 6, 900):
    with pytest.raises(RefusedError, match='cannot be read: damaged here'):
      things.read(place)
  assert [things.read(place) for place in (1, 2, 3)] == [1, 2, 3]
  assert len(begun) == 2 or begun == [0]
