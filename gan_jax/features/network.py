"""What a feature network is to the metrics."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax


class FeatureNetwork(NamedTuple):
  """A frozen map from images to features.

  Attributes:
    name: the name that scores carry (`fd_<name>`).
    params: the frozen weights, a pytree of arrays.
    apply: pure `(params, images) -> (features, logits)`. `images` are `[B, H, W, C]` uint8 or
      uint16, C of 1, 3 or 4; `features` are `[B, F]` float32; `logits` are
      `[B, num_classes]` over the dataset's own classes, or None where it knows other classes.
    description: what made it: source, version, accuracy; goes into the run's record.
  """

  name: str
  params: Any
  apply: Callable[[Any, jax.Array], tuple[jax.Array, jax.Array | None]]
  description: dict[str, Any]
