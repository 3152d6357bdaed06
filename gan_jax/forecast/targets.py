"""The devices that a forecast is for, out of `tpu:v5e:2x2` and its like."""

import importlib.util
import math
import os
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax

from gan_jax.errors import UserError, nearest
from gan_jax.forecast import chips
from gan_jax.forecast.chips import Chip

ACCEPTED = 'cpu, cpu:N, tpu:KIND, tpu:KIND:AxB or AxBxC, gpu:KIND, gpu:KIND:N'
_MOST = 2**16  # devices: more than anybody has


class Target(NamedTuple):
  """Devices that a run may have.

  Attributes:
    name: as it was asked for.
    platform: cpu, tpu or gpu.
    devices: how many.
    chip: what is known of one; None of a CPU.
    topology: of TPUs, such as `v5e:2x2`; '' of others.
  """

  name: str
  platform: str
  devices: int
  chip: Chip | None = None
  topology: str = ''


def parse(name: str) -> Target:
  """Reads what `--devices` names.

  Raises:
    UserError: where it names none that is known.
  """
  platform, *rest = name.strip().lower().split(':')
  if platform == 'cpu' and len(rest) <= 1:
    return Target(name, 'cpu', _count(name, rest[0] if rest else '1'))
  if platform in ('tpu', 'gpu') and 1 <= len(rest) <= 2:
    known = chips.TPUS if platform == 'tpu' else chips.GPUS
    if rest[0] not in known:
      raise UserError(f'--devices={name}: {nearest(rest[0], known)}')
    chip, size = known[rest[0]], rest[1] if len(rest) > 1 else '1'
    if platform == 'gpu':
      return Target(name, 'gpu', _count(name, size), chip)
    axes = 3 if rest[0] in ('v4', 'v5p') else 2
    size = 'x'.join(['1'] * axes) if size == '1' else size
    if not re.fullmatch('x'.join([r'[1-9]\d{0,2}'] * axes), size):
      raise UserError(f'--devices={name}: accepted: {axes} sides, as tpu:{rest[0]}:{_as(axes)}')
    return Target(name, 'tpu', math.prod(map(int, size.split('x'))), chip, f'{rest[0]}:{size}')
  raise UserError(f'--devices={name}: accepted: {ACCEPTED}')


def _as(axes: int) -> str:
  return '2x2x1' if axes == 3 else '2x2'


def _count(name: str, number: str) -> int:
  if not number.isdecimal() or not 1 <= int(number) <= _MOST:
    raise UserError(f'--devices={name}: accepted: {ACCEPTED}')
  return int(number)


def check(target: Target) -> None:
  """Raises UserError where this machine cannot compile for a target."""
  if target.platform == 'tpu' and importlib.util.find_spec('libtpu') is None:
    raise UserError(
      f'--devices={target.name}: takes libtpu, which compiles for TPUs that are not there; '
      '.venv/bin/pip install "jax[tpu]"'
    )


def tpu_devices(target: Target) -> Sequence[Any]:
  """Devices of a TPU topology that need not be there, as `jax.pmap` takes them.

  Raises:
    UserError: for a topology that there is none of.
  """
  check(target)
  # Off a TPU machine libtpu would ask the cloud for these, and complain.
  for name, value in (
    ('TPU_SKIP_MDS_QUERY', '1'),
    ('TPU_WORKER_HOSTNAMES', 'localhost'),
    ('TPU_ACCELERATOR_TYPE', 'v5litepod-4'),
    ('ALLOW_MULTIPLE_LIBTPU_LOAD', '1'),  # it compiles alone, and takes no device
  ):
    os.environ.setdefault(name, value)
  from jax.experimental import topologies

  options: dict[str, Any] = {}
  if target.topology.startswith('v4'):
    options['chip_config_name'] = 'megacore'  # both cores of a chip are one device, as in a run
  if target.devices == 1:
    options['chips_per_host_bounds'] = (1, 1, 1)
  try:
    found = topologies.get_topology_desc(
      platform='tpu', topology_name=target.topology, **options
    ).devices
  except jax.errors.JaxRuntimeError as error:
    raise UserError(f'--devices={target.name}: {" ".join(str(error).split())[:200]}') from error
  return list(found)
