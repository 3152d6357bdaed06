"""What a process has, against what it takes."""

import resource

import numpy as np

from gan_jax.runtime import machine


def test_what_is_taken_is_seen():
  before = machine.resident_bytes()
  taken = np.ones(2**24)  # 128 MiB, touched
  after = machine.resident_bytes()
  assert 0.9 * taken.nbytes < after - before < 1.2 * taken.nbytes
  del taken
  assert machine.peak_bytes() > 0.98 * after > machine.resident_bytes()  # Linux counts late


def test_what_is_free_is_within_what_there_is():
  assert 0 < machine.free_bytes() < machine.total_bytes()


def test_a_limit_of_the_process_is_heeded():
  soft, hard = resource.getrlimit(resource.RLIMIT_AS)
  size = machine._field(machine._PROCESS, 'VmSize')
  try:
    resource.setrlimit(resource.RLIMIT_AS, (size + 2**28, hard))
    assert machine.free_bytes() <= 2**28
  finally:
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def test_other_systems_tell_less(monkeypatch, tmp_path):
  soft, hard = resource.getrlimit(resource.RLIMIT_AS)
  size = machine._field(machine._PROCESS, 'VmSize')
  for name in ('_PROCESS', '_MACHINE', '_GROUP'):
    monkeypatch.setattr(machine, name, tmp_path / 'nothing')
  assert machine.peak_bytes() == machine.resident_bytes() > 0
  assert machine.total_bytes() > machine.free_bytes() > 0
  try:  # of a limit nothing is known where it is not told how much of it is taken
    resource.setrlimit(resource.RLIMIT_AS, (size + 2**30, hard))
    assert machine.total_bytes() > machine.free_bytes() > 0
  finally:
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def test_a_group_of_processes_has_a_limit(monkeypatch, tmp_path):
  monkeypatch.setattr(machine, '_GROUP', tmp_path)
  limit = machine.resident_bytes() + 2**20
  (tmp_path / 'memory.max').write_text(f'{limit}\n')
  assert machine.total_bytes() == limit
  assert machine.free_bytes() <= 2**20
  (tmp_path / 'memory.max').write_text('max\n')
  assert machine.total_bytes() > limit
