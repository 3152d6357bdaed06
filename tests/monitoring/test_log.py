"""The metrics of steps on their way to the record: means, and what is not finite."""

import math
import types

import numpy as np
import pytest

from gan_jax.monitoring import alarms
from gan_jax.monitoring.clock import Clock
from gan_jax.monitoring.log import MetricsLog
from gan_jax.runtime import parallel

INTERVAL = 3  # steps between lines
PER_STEP = 10  # images


class Writer:
  def __init__(self):
    self.lines = []

  def write(self, kind, step, images, values):
    self.lines.append((kind, step, images, values))


def log_of(**options):
  writer = Writer()
  bar = types.SimpleNamespace(log=lambda *_: None, say=lambda *_: None)
  images = lambda step: PER_STEP * step
  due = lambda step: step % INTERVAL == 0
  return MetricsLog(writer, bar, Clock(), images, due, **options), writer


def on_devices(values):
  return parallel.replicate({name: np.float32(value) for name, value in values.items()})


def metrics(value, **more):
  common = {'d_loss': value, 'g_loss': -value, 'd_finite': 1.0, 'g_finite': 1.0}
  return on_devices(common | more)


def test_a_line_is_the_mean_since_the_last_one_and_of_lazy_terms_where_they_were_due():
  log, writer = log_of()
  for step in range(1, 8):
    log.add(step, metrics(float(step), r1=float(step) if step % 2 else math.nan))
  assert log.drain(0) is None
  assert [line[:3] for line in writer.lines] == [('train', 3, 30), ('train', 6, 60)]
  first, second = (line[3] for line in writer.lines)
  assert (first['d_loss'], first['g_loss'], first['r1']) == (2, -2, 2)
  assert (second['d_loss'], second['g_loss'], second['r1']) == (5, -5, 5)
  assert not {'d_finite', 'g_finite'} & first.keys()


def test_a_value_that_is_infinite_is_not_left_out_of_its_mean():
  log, writer = log_of()
  for step in (1, 2, 3):
    log.add(step, metrics(1.0, other=math.inf if step == 2 else 1.0))
  log.drain(0)
  assert writer.lines[0][3]['other'] == math.inf


def test_the_newest_steps_stay_on_their_way_and_come_with_the_next():
  log, writer = log_of()
  for step in (1, 2, 3):
    log.add(step, metrics(float(step)))
    log.drain(2)
  assert writer.lines == []
  assert log.window['d_loss'] == [1.0, 1]
  log.drain(1)
  assert log.window['d_loss'] == [3.0, 2]
  log.drain(0)
  assert writer.lines[0][3]['d_loss'] == 2
  assert log.window == {}


@pytest.mark.parametrize(('player', 'name'), [('d', 'discriminator'), ('g', 'generator')])
def test_the_first_step_that_is_not_finite_is_told_with_its_player_and_nothing_after_it(
  player, name
):
  log, writer = log_of()
  for step in (1, 2, 3):
    log.add(step, metrics(float(step), **({f'{player}_finite': 0.0} if step >= 2 else {})))
  bad = log.drain(0)
  assert (bad.step, bad.player, bad.values['d_loss']) == (2, name, 2)
  assert writer.lines == []
  assert log.window['d_loss'] == [1.0, 1]


def test_a_run_that_goes_on_counts_what_it_had_seen_in_the_mean_and_not_in_the_rate():
  log, writer = log_of(window={'d_loss': [10.0, 2], 'g_loss': [-10.0, 2]})
  log.add(3, metrics(4.0))
  log.drain(0)
  assert writer.lines[0][3]['d_loss'] == 14 / 3
  assert math.isnan(writer.lines[0][3]['images_per_second'])  # no time was measured


def test_the_rate_is_of_the_images_of_this_start_over_the_time_of_training(monkeypatch):
  log, writer = log_of(window={'d_loss': [10.0, 2], 'g_loss': [-10.0, 2]})
  seconds = {'step': 1.5, 'input': 0.5, 'evaluate': 100.0}
  monkeypatch.setattr(log, '_clock', types.SimpleNamespace(since_log=lambda: dict(seconds)))
  log.add(3, metrics(4.0))
  log.drain(0)
  values = writer.lines[0][3]
  assert values['images_per_second'] == PER_STEP / 2
  assert values['seconds_evaluate'] == 100


def test_a_diagnosis_stands_in_the_line_of_its_step():
  log, writer = log_of()
  for step in (1, 2, 3):
    log.add(step, metrics(1.0), on_devices({'d_overfit_gap': 0.25}) if step == 3 else None)
  log.drain(0)
  assert writer.lines[0][3]['d_overfit_gap'] == 0.25


def test_an_alarm_is_a_line_beside_that_of_its_step_and_is_said():
  log, writer = log_of()
  said = []
  log._bar.say = said.append
  for step in range(1, INTERVAL * alarms.WINDOW + 1):
    log.add(step, metrics(1.0, g_grad_norm=0.0))
  log.drain(0)
  last = INTERVAL * alarms.WINDOW
  kind, step, images, values = writer.lines[-1]
  assert (kind, step, images) == ('alarm', last, PER_STEP * last)
  assert values['alarm'] == 'dead generator'
  assert writer.lines[-2][:3] == ('train', last, PER_STEP * last)
  assert said == [f'! {images:,} images: {values["text"]}']
