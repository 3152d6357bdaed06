"""EfficientNet-Lite1 trained on ImageNet: an image -> feature network for the metrics."""

from gan_jax.features import efficientnet_lite
from gan_jax.features.network import FeatureNetwork, Request

RESIZES = True
TAKES_WEIGHTS = False


def load(request: Request | None = None) -> FeatureNetwork:
  """See `efficientnet_lite.network`."""
  return efficientnet_lite.network('efficientnet_lite1', request)
