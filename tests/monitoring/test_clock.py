import time

from gan_jax.monitoring import clock


def test_time_is_counted_once_and_by_the_innermost_part(monkeypatch):
  now = [0.0]
  monkeypatch.setattr(time, 'perf_counter', lambda: now[0])
  watch = clock.Clock()

  def spend(seconds):
    now[0] += seconds

  spend(1)  # of no part
  with watch('step'):
    spend(2)
    with watch('save'):
      spend(3)
    spend(4)
  assert watch.since_log() == {'step': 6, 'save': 3}
  with watch('input'):
    spend(5)
    assert watch.since_log() == {'step': 0, 'save': 0, 'input': 5}
    spend(1)
  assert watch.totals() == {'step': 6, 'save': 3, 'input': 6}


def test_the_summary_names_the_most_first():
  line = clock.summary({'input': 1.0, 'step': 3.0})
  assert line == 'step 3.0 s (75%), input 1.0 s (25%)'
