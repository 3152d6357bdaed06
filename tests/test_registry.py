"""Which modules a room has."""

import os

import gan_jax.training.losses as losses
from gan_jax import registry


def test_a_module_that_is_added_to_a_room_is_found_and_one_of_another_kind_is_not(
  tmp_path, monkeypatch
):
  shipped = registry.names('training.losses')
  assert 'hinge' in shipped
  monkeypatch.setattr(losses, '__path__', [*losses.__path__, str(tmp_path)])
  assert registry.names('training.losses') == shipped
  (tmp_path / 'mine.py').write_text('def d_loss(real, fake):\n  return fake - real\n')
  (tmp_path / 'helper.py').write_text('def loss(real, fake):\n  return fake - real\n')
  os.utime(tmp_path, ns=(1, 1))  # a file system may have coarser times than this test
  assert registry.names('training.losses') == sorted([*shipped, 'mine'])


def test_what_a_caller_does_to_the_names_stays_with_the_caller():
  registry.names('metrics').clear()
  assert 'fd' in registry.names('metrics')


def test_a_file_is_imported_once_and_anew_when_it_has_changed(tmp_path):
  path = tmp_path / 'mine.py'
  path.write_text('x = 1\n')
  load = lambda: registry.load(str(path), 'config.loss.name')
  first = load()
  assert load() is first  # classes of it stay the same
  written = path.stat().st_mtime_ns
  path.write_text('x = 2\n')
  os.utime(path, ns=(written, written))  # as large and, on a coarse clock, as old
  assert (first.x, load().x) == (1, 2)
