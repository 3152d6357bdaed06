"""Signals stop a run where it can be stopped, and at once where nothing is to be ended first."""

import contextlib
import os
import signal
import threading
import time

import pytest

from gan_jax.errors import Preempted
from gan_jax.runtime.preemption import SIGNALS, StopSignal, held, interruptible


def send(number):
  os.kill(os.getpid(), number)
  time.sleep(0.01)


@pytest.mark.parametrize('number', SIGNALS)
def test_a_signal_is_noted_and_stops_where_it_is_asked_for(number):
  with StopSignal() as stop:
    send(number)
    assert stop.requested
    with pytest.raises(Preempted, match=signal.Signals(number).name):
      stop.check()


@pytest.mark.parametrize('number', SIGNALS)
def test_at_once_it_stops_whatever_goes_on(number):
  reached = []
  with StopSignal() as stop:
    with pytest.raises(Preempted), stop.at_once():  # noqa: PT012 - what comes after is the point
      send(number)
      reached.append('after')
    assert reached == []
    # A signal that came before is not forgotten.
    with pytest.raises(Preempted), stop.at_once():
      reached.append('within')
  assert reached == []


def test_after_at_once_a_signal_is_noted_again():
  with StopSignal() as stop:
    with stop.at_once():
      pass
    send(signal.SIGTERM)
    assert stop.requested


def test_a_second_interrupt_interrupts():
  with StopSignal():
    send(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
      send(signal.SIGINT)


@pytest.mark.parametrize('number', SIGNALS)
def test_handlers_are_put_back(number):
  before = signal.getsignal(number)
  with StopSignal():
    assert signal.getsignal(number) != before
  assert signal.getsignal(number) == before


def test_the_user_is_told_what_it_means():
  means = 'stopped before the end'
  said = pytest.raises(Preempted, match=f'^SIGTERM: {means}$')
  with StopSignal() as stop, said, stop.at_once(means):
    send(signal.SIGTERM)


def test_a_signal_that_was_lost_on_its_way_is_raised_at_the_end():
  lost = contextlib.suppress(BaseException)
  with StopSignal() as stop, pytest.raises(Preempted), stop.at_once(), lost:
    send(signal.SIGTERM)


def test_code_that_lives_with_failures_does_not_catch_it():
  assert not issubclass(Preempted, Exception)


def test_interruptible_work_gives_what_it_finds_and_raises():
  assert interruptible(lambda: threading.current_thread() is threading.main_thread()) is False
  with pytest.raises(ZeroDivisionError):
    interruptible(lambda: 1 // 0)


def test_interruptible_work_does_not_keep_a_signal_waiting():
  may_end = threading.Event()
  threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
  try:
    with StopSignal() as stop, pytest.raises(Preempted), stop.at_once():
      interruptible(lambda: may_end.wait(60))
    assert not may_end.is_set()
  finally:
    may_end.set()


def test_what_is_held_together_is_done_before_it_stops():
  done = []
  with StopSignal() as stop, pytest.raises(Preempted), stop.at_once():  # noqa: PT012
    with held(), held():
      send(signal.SIGTERM)
      done.append('held')
    done.append('after')
  assert done == ['held']


class Troubled:
  def __del__(self):
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.01)


def test_a_signal_where_no_exception_gets_out_stops_soon_after(capfd):
  with StopSignal() as stop, pytest.raises(Preempted), stop.at_once():  # noqa: PT012
    Troubled()
    for _ in range(1000):
      time.sleep(0.01)
    raise AssertionError('it was lost')
  assert capfd.readouterr().err == ''
