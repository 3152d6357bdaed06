"""Signals stop a run where it can be stopped, and at once where nothing is to be ended first."""

import os
import signal
import time

import pytest

from gan_jax.errors import Preempted
from gan_jax.runtime.preemption import SIGNALS, StopSignal


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
