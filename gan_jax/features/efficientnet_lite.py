"""ImageNet features out of an EfficientNet-Lite, for the modules of its releases."""

import functools

import jax
import jax.numpy as jnp

from gan_jax.features import chunks, resize
from gan_jax.features.network import FeatureNetwork, Request, Resize, score_name
from gan_jax.pretrained import efficientnet_lite
from gan_jax.pretrained.efficientnet_lite import Params

# Images at a time on a CPU: at 4.8 MB an image, the widest activation (112 x 112 x 96) of a whole
# batch leaves the caches, and the speed falls by a third.
_CPU_CHUNK = 2


def network(name: str, request: Request | None) -> FeatureNetwork:
  """Reads a release's weights from its pip package.

  Args:
    name: of the release.
    request: of it `resize`; without a request that is `antialias`.

  Returns:
    The network. Its `apply` gives the 1,280 features after the global average pool, and the logits
    of ImageNet-1k's 1,000 classes in their usual order.

  Raises:
    UserError: if the package is not installed.
    ValueError: if its file is damaged.
  """
  way = request.resize if request else 'antialias'
  release = efficientnet_lite.RELEASES[name]
  scaling = 'bilinear resize, not antialiased' if way == 'legacy' else 'antialiased bilinear resize'
  return FeatureNetwork(
    name=score_name(name, way),
    params=jax.tree.map(jnp.asarray, efficientnet_lite.read(name)),
    apply=functools.partial(_apply, name=name, way=way),
    description={
      'architecture': f'EfficientNet-{name.partition("_")[2].capitalize()}, arXiv:1905.11946',
      'source': f'PyPI {release.package}, {release.file}',
      'trained_on': 'ImageNet-1k',
      'published_top1': release.top1,
      'input': f'{release.side}x{release.side} RGB, {scaling}, (x - 127) / 128',
    },
    resize=way,
  )


# Called operation by operation it would compile 240 programs, in ten times the time.
@functools.partial(jax.jit, static_argnames=('name', 'way'))
def _apply(
  params: Params, images: jax.Array, name: str, way: Resize
) -> tuple[jax.Array, jax.Array]:
  release = efficientnet_lite.RELEASES[name]

  def pooled(params: Params, images: jax.Array) -> jax.Array:
    """Maps `[B, H, W, C]` to `[B, 1280]`, the mean of the last feature map."""
    size = (release.side, release.side)
    x = (resize.to_rgb(images, size, 'linear', way) - 127) / 128
    return jnp.mean(efficientnet_lite.trunk(release, params, x), axis=(1, 2))

  features = chunks.run(pooled, params, images, _CPU_CHUNK)
  with jax.default_matmul_precision('float32'):
    return features, efficientnet_lite.dense(features, params['classifier'])
