"""What hosts agree upon, of which threads take the parts."""

import contextlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np
import pytest

from gan_jax.errors import STOPS, NonFiniteError, NotDoneError, Preempted, UserError
from gan_jax.runtime import hosts


class Threads:
  """Hosts that are threads: what is gathered of them is gathered when each has said its own."""

  def __init__(self, count):
    self.count = count
    self.own = threading.local()
    self._said = [None] * count
    self._all = threading.Barrier(count, timeout=60)

  def gather(self, array):
    self._said[self.own.number] = np.asarray(array)
    self._all.wait()
    found = np.stack(self._said)
    self._all.wait()  # until all have it
    return found

  def run(self, work):
    """What `work(host)` finds or raises on each."""

    def one(number):
      self.own.number = number
      try:
        return work(number)
      except (*STOPS, OSError) as error:
        return error

    with ThreadPoolExecutor(self.count) as pool:
      return list(pool.map(one, range(self.count)))


@pytest.fixture
def run_on(monkeypatch):
  def run(count, work):
    threads = Threads(count)
    monkeypatch.setattr(jax, 'process_count', lambda: count)
    monkeypatch.setattr(jax, 'process_index', lambda: threads.own.number)
    monkeypatch.setattr(hosts.multihost_utils, 'process_allgather', threads.gather)
    monkeypatch.setattr(hosts.preemption, 'held', contextlib.nullcontext)  # of the main thread
    return threads.run(work)

  return run


KINDS = [(kind, kind) for kind in (UserError, NonFiniteError, NotDoneError, Preempted)]


@pytest.mark.parametrize(('raised', 'heard'), [*KINDS, (OSError, NotDoneError)])
@pytest.mark.parametrize('failing', [0, 1, 2])
def test_what_one_host_raises_all_raise_with_its_number(run_on, raised, heard, failing):
  def refuse(host):
    if host == failing:
      raise raised('no room')
    return host

  found = run_on(3, lambda host: hosts.together(lambda: refuse(host)))
  assert (type(found[failing]), str(found[failing])) == (raised, 'no room')
  others = [error for host, error in enumerate(found) if host != failing]
  assert {type(error) for error in others} == {heard}
  assert {str(error) for error in others} == {f'host {failing}: no room'}


def test_a_host_that_waits_within_hears_of_one_that_has_given_up(run_on):
  def work(host):
    if host == 1:
      raise UserError('no room')
    return hosts.each(host)

  found = run_on(2, lambda host: hosts.together(lambda: work(host)))
  assert [str(error) for error in found] == ['host 1: no room', 'no room']


def test_what_all_hosts_know_of_is_not_said_again_further_out(run_on):
  def refuse(host):
    if host == 1:
      raise UserError('no room')

  found = run_on(2, lambda host: hosts.together(lambda: hosts.together(lambda: refuse(host))))
  assert [str(error) for error in found] == ['host 1: no room', 'no room']


def test_each_does_its_own_together(run_on):
  assert run_on(3, lambda host: hosts.together(lambda: 'abc'[host])) == list('abc')


@pytest.mark.parametrize('of', ['', 'ü', {'a': [1, None, 0.5]}])
def test_all_have_what_each_or_the_first_has_found(run_on, of):
  told = run_on(3, lambda host: hosts.each([host, [of] * host]))
  assert told == [[[0, []], [1, [of]], [2, [of, of]]]] * 3
  assert run_on(3, lambda host: hosts.on_first(lambda: [host, of])) == [[0, of]] * 3


def test_the_first_host_has_done_its_turn_before_any_other_begins(run_on):
  done = []
  assert run_on(3, lambda host: hosts.in_turn(lambda: done.append(host) or host)) == [0, 1, 2]
  assert done[0] == 0
  assert sorted(done) == [0, 1, 2]


@pytest.mark.parametrize('count', [0, 1, 5, 12])
@pytest.mark.parametrize('several', [1, 2, 5])
def test_shares_of_all_hosts_in_their_order_are_the_whole_and_joined_again(run_on, several, count):
  whole = np.arange(2 * count, dtype=np.int16).reshape(count, 2)

  def work(host):
    first, end = hosts.share(count)
    return end - first, whole[first:end], hosts.joined(whole[first:end], count)

  found = run_on(several, work)
  np.testing.assert_array_equal(np.concatenate([part for _, part, _ in found]), whole)
  sizes = [size for size, _, _ in found]
  assert sum(sizes) == count
  assert max(sizes) - min(sizes) <= 1
  for _, _, joined in found:
    np.testing.assert_array_equal(joined, whole)
    assert joined.dtype == whole.dtype


@pytest.mark.parametrize(
  ('agreed', 'gone', 'done'),
  [(True, False, ['all', 75]), (True, True, ['all', 75]), (False, False, [75])],
)
def test_who_ends_by_agreement_ends_with_the_others_and_who_fails_alone_at_once(
  monkeypatch, agreed, gone, done
):
  found = []

  def shutdown():
    found.append('all')
    if gone:  # one of the others, meanwhile
      raise RuntimeError('a task is not there')

  monkeypatch.setattr(jax.distributed, 'shutdown', shutdown)
  monkeypatch.setattr(os, '_exit', found.append)
  hosts.leave(75, agreed)
  assert found == done
