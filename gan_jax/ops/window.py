"""The static part of a convolution."""

from typing import NamedTuple


class Window(NamedTuple):
  """Where a convolution's window goes; sizes are (height, width), in pixels."""

  inputs: tuple[int, int]
  kernel: tuple[int, int]
  stride: int
  padding: tuple[tuple[int, int], tuple[int, int]]
  groups: int

  @property
  def outputs(self) -> tuple[int, int]:
    """Height and width of the result."""
    sizes = [
      (n + lo + hi - k) // self.stride + 1
      for n, k, (lo, hi) in zip(self.inputs, self.kernel, self.padding, strict=True)
    ]
    return sizes[0], sizes[1]
