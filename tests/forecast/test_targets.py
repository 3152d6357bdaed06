"""Names of devices, and what is known of their chips."""

import pytest

from gan_jax.errors import UserError
from gan_jax.forecast import chips, targets


@pytest.mark.parametrize(
  ('name', 'platform', 'devices', 'topology'),
  [
    ('cpu', 'cpu', 1, ''),
    ('cpu:8', 'cpu', 8, ''),
    ('tpu:v5e:2x2', 'tpu', 4, 'v5e:2x2'),
    ('tpu:v5e', 'tpu', 1, 'v5e:1x1'),
    ('tpu:v4:2x2x1', 'tpu', 4, 'v4:2x2x1'),
    ('tpu:v5p:1', 'tpu', 1, 'v5p:1x1x1'),
    ('TPU:v6e:4x4', 'tpu', 16, 'v6e:4x4'),
    ('gpu:h100:8', 'gpu', 8, ''),
    ('gpu:a100_80gb', 'gpu', 1, ''),
  ],
)
def test_names_are_read(name, platform, devices, topology):
  found = targets.parse(name)
  assert (found.platform, found.devices, found.topology) == (platform, devices, topology)
  assert (found.chip is None) == (platform == 'cpu')


@pytest.mark.parametrize(
  ('name', 'message'),
  [
    ('', 'accepted: cpu'),
    ('npu', 'accepted: cpu'),
    ('cpu:0', 'accepted: cpu'),
    ('cpu:x', 'accepted: cpu'),
    ('cpu:8:8', 'accepted: cpu'),
    ('tpu', 'accepted: cpu'),
    ('tpu:v5:2x2', "did you mean 'v5"),
    ('tpu:v5e:2x2x1', '2 sides, as tpu:v5e:2x2'),
    ('tpu:v4:2x2', '3 sides, as tpu:v4:2x2x1'),
    ('tpu:v4:0x2x1', '3 sides'),
    ('gpu:h100:-1', 'accepted: cpu'),
    ('gpu:h100:8:8', 'accepted: cpu'),
    ('tpu:v5e:2x2:1', 'accepted: cpu'),
    ('gpu:h1000', "did you mean 'h100'"),
  ],
)
def test_others_are_refused_with_what_is_accepted(name, message):
  with pytest.raises(UserError, match=message):
    targets.parse(name)


def test_without_libtpu_the_command_that_brings_it_is_named(monkeypatch):
  monkeypatch.setattr(targets.importlib.util, 'find_spec', lambda name: None)
  with pytest.raises(UserError, match=r'takes libtpu.*pip install "jax\[tpu\]"'):
    targets.check(targets.parse('tpu:v5e:2x2'))
  targets.check(targets.parse('gpu:h100'))


@pytest.mark.parametrize(
  ('kind', 'memory'),
  [
    ('TPU v4', 30.75 * 2**30),
    ('TPU v5 lite', 15.75 * 2**30),
    ('TPU v5', int(95.74 * 2**30)),
    ('TPU v6 lite', 31.25 * 2**30),
    ('NVIDIA H100 80GB HBM3', 60e9),
    ('NVIDIA A100-SXM4-40GB', 30e9),
    ('NVIDIA A100-SXM4-80GB', 60e9),
    ('Tesla T4', 12e9),
  ],
)
def test_chips_are_known_by_what_jax_calls_them(kind, memory):
  assert chips.of_kind(kind).memory == memory


def test_a_chip_of_nobodys_is_not_known():
  assert chips.of_kind('cpu') is None
