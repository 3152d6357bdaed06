"""What a feature network is to the metrics, and what it is made from."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, get_args

import jax

from gan_jax.data.source import ImageDataset

Resize = Literal['antialias', 'legacy']
RESIZES: tuple[str, ...] = get_args(Resize)


TRAINED = '_trained'
"""The end of a network's name in scores of a run that was trained on its features."""


def score_name(module: str, resize: str) -> str:
  """The name that scores carry for features that resize: it says where that is not the default."""
  return f'{module}_legacy' if resize == 'legacy' else module


def marked(name: str, module: str, teachers: tuple[str, ...]) -> str:
  """The name that scores carry of a run that was trained on some features."""
  return name + TRAINED if module in teachers else name


class Request(NamedTuple):
  """What `load` of a feature network may use.

  Attributes:
    train: real images to learn from, with their labels.
    holdout: real images to measure that on.
    weights: path of the weights' file, where the user names it; '' otherwise.
    resize: how images are brought to the network's size. `antialias`: filtered, so that every pixel
      counts (Parmar et al., arXiv:2104.11222); `legacy`: as the network's first users did.
  """

  train: ImageDataset
  holdout: ImageDataset
  weights: str = ''
  resize: Resize = 'antialias'


class FeatureNetwork(NamedTuple):
  """A frozen map from images to features.

  Attributes:
    name: the name that scores carry (`fd_<name>`); ends in `_legacy` where resize is that.
    params: the frozen weights, a pytree of arrays.
    apply: pure `(params, images) -> (features, logits)`. `images` are `[B, H, W, C]`, C of 1, 3 or
      4: uint8, uint16, or float32 on the scale of uint8; `features` are `[B, F]` float32; `logits`
      are `[B, K]` over `classes`, or None.
    description: what made it: source, version, accuracy; goes into the run's record.
    resize: `antialias`, `legacy`, or `none` where images are taken at their own size.
    classes: whose the logits are: of the `dataset`, or the network's `own`.
  """

  name: str
  params: Any
  apply: Callable[[Any, jax.Array], tuple[jax.Array, jax.Array | None]]
  description: dict[str, Any]
  resize: Literal['antialias', 'legacy', 'none'] = 'none'
  classes: Literal['dataset', 'own'] = 'own'
