"""A network of PyTorch taken apart, tensor by tensor: none is taken twice, none is left."""

from typing import Any, NamedTuple

import numpy as np

from gan_jax.pretrained.network_pickle import Network


class Converted(NamedTuple):
  """A network in the names and layouts here.

  Attributes:
    architecture: module of gan_jax/models.
    settings: of the config's section of that name, as far as this player has them.
    resolution: side of the images, pixels.
    channels: of the images.
    latent_size: length of a latent; 0 of a discriminator.
    num_classes: 0: unconditional.
    variables: flat, by collection and path.
  """

  architecture: str
  settings: dict[str, Any]
  resolution: int
  channels: int
  latent_size: int
  num_classes: int
  variables: dict[str, np.ndarray]


class Tensors:
  """A network's tensors, each to be taken once."""

  def __init__(self, network: Network):
    """Takes nothing yet."""
    self._left = dict(network.tensors)
    self._attributes = network.attributes
    self.variables: dict[str, np.ndarray] = {}

  def __contains__(self, name: str) -> bool:
    """Whether there is a tensor that was not taken."""
    return name in self._left

  def shape(self, name: str) -> tuple[int, ...]:
    """Of a tensor that was not taken.

    Raises:
      ValueError: where there is none of the name.
    """
    if name not in self._left:
      raise ValueError(f'{name} is missing')
    return self._left[name].shape

  def values(self, name: str) -> np.ndarray:
    """Takes a tensor as float32.

    Raises:
      ValueError: where there is none, or values of it are no finite numbers.
    """
    self.shape(name)
    found = np.asarray(self._left.pop(name), np.float32)
    if not np.isfinite(found).all():
      raise ValueError(f'{name} holds values that are no numbers')
    return found

  def give(self, name: str, path: str, *axes: int) -> None:
    """Takes a tensor, its axes put in another order, under a path of ours.

    Raises:
      ValueError: where there is none, or it has another number of axes.
    """
    found = self.values(name)
    if axes and found.ndim != len(axes):
      raise ValueError(f'{name} has the shape {list(found.shape)}, wanted {len(axes)} axes')
    self.variables[path] = np.asarray(found.transpose(axes) if axes else found, order='C')

  def dense(self, name: str, path: str) -> None:
    """Takes a linear layer: `weight` `[out, in]` and `bias`."""
    self.give(f'{name}.weight', f'{path}/kernel', 1, 0)
    self.give(f'{name}.bias', f'{path}/bias')

  def conv(self, name: str, path: str) -> None:
    """Takes a kernel `[out, in, h, w]`."""
    self.give(name, f'{path}/kernel', 2, 3, 1, 0)

  def attribute(self, name: str, default: Any) -> Any:
    """A number, switch or text beside the tensors; the default where the file has none."""
    return self._attributes.get(name, default)

  def attributes(self, ending: str) -> set[Any]:
    """The values of all attributes of a name, whatever module they are of."""
    return {v for k, v in self._attributes.items() if k.split('.')[-1] == ending}

  def constant(self, name: str, expected: np.ndarray) -> None:
    """Takes a tensor that has one value in all networks that are known.

    Raises:
      ValueError: where it has another one.
    """
    found = self.values(name)
    if found.shape != expected.shape or not np.allclose(found, expected, atol=1e-5):
      raise ValueError(f'{name} is another filter than the binomial one of 1, 3, 3, 1')

  def taken(self) -> dict[str, np.ndarray]:
    """All that was taken, by our paths.

    Raises:
      ValueError: where something is left: a part that networks here do not have.
    """
    if self._left:
      name = next(iter(self._left))
      raise ValueError(
        f'{name} of shape {list(self._left[name].shape)} has no place in such a network here'
      )
    return self.variables


def binomial() -> np.ndarray:
  """The filter 1, 3, 3, 1 along both axes, of sum 1."""
  taps = np.array([1, 3, 3, 1]) / 8
  return np.outer(taps, taps)
