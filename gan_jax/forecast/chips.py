"""What makers publish of their chips: speed, memory, power."""

from typing import NamedTuple

_GIB = 2**30
_CLOUD = 'docs.cloud.google.com/tpu/docs'
_NVIDIA = "NVIDIA's data sheet of the"


class Chip(NamedTuple):
  """A chip as JAX takes it for one device.

  Attributes:
    kind: how JAX's `device_kind` begins.
    flops: operations a second of products of float32 at JAX's default precision: one pass of
      bfloat16 on a TPU, TensorFloat-32 without sparsity on a GPU that has it.
    bandwidth: of its memory, bytes a second.
    memory: that programs have, bytes.
    watts: the most that it is made for, or None where its maker publishes none.
    source: of all these.
  """

  kind: str
  flops: float
  bandwidth: float
  memory: int
  watts: float | None
  source: str


# Memory of TPUs: what libtpu 0.0.42 leaves to a program, as it says when one does not fit.
TPUS = {
  'v4': Chip('TPU v4', 275e12, 1.2e12, int(30.75 * _GIB), 192, f'{_CLOUD}/v4; arXiv:2304.01433'),
  'v5e': Chip('TPU v5 lite', 197e12, 819e9, int(15.75 * _GIB), None, f'{_CLOUD}/v5e'),
  'v5p': Chip('TPU v5', 459e12, 2.765e12, int(95.74 * _GIB), None, f'{_CLOUD}/v5p'),
  'v6e': Chip('TPU v6', 918e12, 1.638e12, int(31.25 * _GIB), None, f'{_CLOUD}/v6e'),
}

# JAX takes three quarters of a GPU's memory at its start, XLA_PYTHON_CLIENT_MEM_FRACTION.
_SHARE = 0.75


def _gpu(kind: str, teraflops: float, bandwidth: float, gigabytes: int, watts: float) -> Chip:
  memory = int(_SHARE * gigabytes * 1e9)
  return Chip(kind, teraflops * 1e12, bandwidth * 1e9, memory, watts, f'{_NVIDIA} {kind}')


# Without sparsity; the V100 and the T4 have no TensorFloat-32.
GPUS = {
  'a100': _gpu('NVIDIA A100', 156, 1555, 40, 400),
  'a100_80gb': _gpu('NVIDIA A100-SXM4-80GB', 156, 2039, 80, 400),
  'h100': _gpu('NVIDIA H100', 494.7, 3350, 80, 700),
  'h200': _gpu('NVIDIA H200', 494.7, 4800, 141, 700),
  'l4': _gpu('NVIDIA L4', 60, 300, 24, 72),
  't4': _gpu('Tesla T4', 8.1, 320, 16, 70),
  'v100': _gpu('Tesla V100', 15.7, 900, 16, 300),
}


def of_kind(kind: str) -> Chip | None:
  """The chip of a device by its `device_kind`; of several that begin so, the longest name."""
  fitting = [chip for chip in (*TPUS.values(), *GPUS.values()) if kind.startswith(chip.kind)]
  return max(fitting, key=lambda chip: len(chip.kind), default=None)
