"""DINOv2 ViT-S/14 (Oquab et al., arXiv:2304.07193): features learnt without labels.

Distances in them agree with people's judgement better than those in Inception's (Stein et al.,
arXiv:2306.04675). Images are scaled to 224 x 224 by a bicubic filter, and the position embedding of
37 x 37 patches to their 16 x 16 as Hugging Face's transformers does.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gan_jax.features import chunks, resize
from gan_jax.features.network import FeatureNetwork, Request, Resize, score_name
from gan_jax.features.weights import Shapes, State, read_weights

RESIZES = True
TAKES_WEIGHTS = True

FEATURE_SIZE = 384
_IMAGE_SIZE = (224, 224)
_PATCH = 14
_GRID = 37  # patches on a side of the images that it was last trained on
_LAYERS = 12
_HEADS = 6
_NORM_EPSILON = 1e-6
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)  # ImageNet's, of images in [0, 1]
_STD = np.array([0.229, 0.224, 0.225], np.float32)
_PUBLISHED = (
  'model.safetensors of https://huggingface.co/facebook/dinov2-small, or '
  'dinov2_vits14_pretrain.pth of https://github.com/facebookresearch/dinov2'
)
_CPU_CHUNK = 4

# Names of the original repository (on the left) and of Hugging Face, of which the latter are used.
_NAMES = {
  'cls_token': 'embeddings.cls_token',
  'pos_embed': 'embeddings.position_embeddings',
  'patch_embed.proj.': 'embeddings.patch_embeddings.projection.',
  'blocks.': 'encoder.layer.',
  'norm.': 'layernorm.',
  '.attn.proj.': '.attention.output.dense.',
  '.ls1.gamma': '.layer_scale1.lambda1',
  '.ls2.gamma': '.layer_scale2.lambda1',
}

Params = dict[str, Any]


def load(request: Request) -> FeatureNetwork:
  """Reads the weights from the file that the user names.

  Args:
    request: of it `weights`, with tensors named as Hugging Face's or as the original repository's,
      and `resize`.

  Returns:
    The network. Its `apply` gives the 384 numbers of the class token after the last norm, and None
    for logits.

  Raises:
    UserError: if no file is named, or it does not hold these weights.
  """
  legacy = request.resize == 'legacy'
  state = read_weights(request.weights, 'dinov2_vits14', _PUBLISHED, shapes(), _from_original)
  scaling = 'bicubic, not antialiased' if legacy else 'antialiased bicubic'
  return FeatureNetwork(
    name=score_name('dinov2_vits14', request.resize),
    params=_prepare(state),
    apply=functools.partial(_apply, way=request.resize),
    description={
      'architecture': 'DINOv2 ViT-S/14, arXiv:2304.07193',
      'source': 'file that the user named; published: ' + _PUBLISHED,
      'trained_on': 'LVD-142M, without labels',
      'input': f"224x224 RGB, {scaling} resize, ImageNet's mean and standard deviation",
    },
    resize=request.resize,
  )


def shapes() -> Shapes:
  """Names and shapes of the tensors of the file that are read, as Hugging Face names them."""
  width, hidden = FEATURE_SIZE, 4 * FEATURE_SIZE
  found: Shapes = {
    'embeddings.cls_token': (1, 1, width),
    'embeddings.position_embeddings': (1, 1 + _GRID**2, width),
    'embeddings.patch_embeddings.projection.weight': (width, 3, _PATCH, _PATCH),
    'embeddings.patch_embeddings.projection.bias': (width,),
    'layernorm.weight': (width,),
    'layernorm.bias': (width,),
  }
  square = [f'attention.attention.{part}' for part in ('query', 'key', 'value')]
  dense: Shapes = dict.fromkeys([*square, 'attention.output.dense'], (width, width))
  dense |= {'mlp.fc1': (hidden, width), 'mlp.fc2': (width, hidden)}
  dense |= {'norm1': (width,), 'norm2': (width,)}
  for layer in range(_LAYERS):
    at = f'encoder.layer.{layer}.'
    for name, shape in dense.items():
      found |= {f'{at}{name}.weight': shape, f'{at}{name}.bias': shape[:1]}
    found |= {f'{at}layer_scale{i}.lambda1': (width,) for i in (1, 2)}
  return found


def _from_original(state: State) -> State:
  """Gives tensors of the original repository the names and the layout of Hugging Face."""
  if 'cls_token' not in state:
    return state
  renamed: State = {}
  for name, value in state.items():
    for old, new in _NAMES.items():
      if name.startswith(old) or (old[0] == '.' and old in name):
        name = name.replace(old, new, 1)
    if '.attn.qkv.' in name:
      if value.shape[:1] != (3 * FEATURE_SIZE,):
        raise ValueError(
          f'its tensor {name} is of shape {list(value.shape)}; needed: {3 * FEATURE_SIZE} rows'
        )
      for i, part in enumerate(('query', 'key', 'value')):
        rows = value[i * FEATURE_SIZE : (i + 1) * FEATURE_SIZE]
        renamed[name.replace('.attn.qkv.', f'.attention.attention.{part}.')] = rows
    else:
      renamed[name] = value
  return renamed


def _prepare(state: State) -> Params:
  """Stacks the layers, and does once what is the same for every image."""
  position = state['embeddings.position_embeddings'][0]
  # PyTorch's bicubic interpolation, as in the published network's own use at this size.
  weights = resize.legacy_weights(_GRID, _IMAGE_SIZE[0] // _PATCH, 'cubic')
  grid = position[1:].reshape(_GRID, _GRID, -1)
  grid = np.einsum('ah,bw,hwc->abc', weights, weights, grid, optimize=True)
  patch = state['embeddings.patch_embeddings.projection.weight'].transpose(2, 3, 1, 0)
  bias = state['embeddings.patch_embeddings.projection.bias']
  layers = [_layer(state, f'encoder.layer.{i}.') for i in range(_LAYERS)]
  params = {
    'patch': patch.reshape(-1, FEATURE_SIZE),
    'position': grid.reshape(-1, FEATURE_SIZE) + bias,
    'class': state['embeddings.cls_token'][0, 0] + position[0],
    'layers': jax.tree.map(lambda *parts: np.stack(parts), *layers),
    'norm': {'scale': state['layernorm.weight'], 'bias': state['layernorm.bias']},
  }
  return jax.tree.map(jnp.asarray, params)


def _layer(state: State, at: str) -> Params:
  """One layer's weights; the scales of its two branches are made part of their last products."""

  def dense(name: str, gain: np.ndarray | float = 1.0) -> Params:
    weight, bias = state[f'{at}{name}.weight'], state[f'{at}{name}.bias']
    return {'kernel': weight.T * np.float32(gain), 'bias': bias * np.float32(gain)}

  # 1 / √(length of a head) of the attention, made part of the queries.
  queries = dense('attention.attention.query', (FEATURE_SIZE // _HEADS) ** -0.5)
  rest = [dense(f'attention.attention.{part}') for part in ('key', 'value')]
  norms = {
    n: {'scale': state[f'{at}{n}.weight'], 'bias': state[f'{at}{n}.bias']}
    for n in ('norm1', 'norm2')
  }
  return norms | {
    'qkv': jax.tree.map(lambda *parts: np.concatenate(parts, axis=-1), queries, *rest),
    'out': dense('attention.output.dense', state[f'{at}layer_scale1.lambda1']),
    'fc1': dense('mlp.fc1'),
    'fc2': dense('mlp.fc2', state[f'{at}layer_scale2.lambda1']),
  }


@functools.partial(jax.jit, static_argnames='way')
def _apply(params: Params, images: jax.Array, way: Resize) -> tuple[jax.Array, None]:
  return chunks.run(functools.partial(_features, way), params, images, _CPU_CHUNK), None


def _features(way: Resize, params: Params, images: jax.Array) -> jax.Array:
  """Maps `[B, H, W, C]` to `[B, 384]`."""
  x = (resize.to_rgb(images, _IMAGE_SIZE, 'cubic', way) / 255 - _MEAN) / _STD
  batch, side = len(x), _IMAGE_SIZE[0] // _PATCH
  x = x.reshape(batch, side, _PATCH, side, _PATCH, 3).transpose(0, 1, 3, 2, 4, 5)
  x = x.reshape(batch, side * side, -1) @ params['patch'] + params['position']
  first = jnp.broadcast_to(params['class'], (batch, 1, FEATURE_SIZE))
  x = jnp.concatenate([first, x], axis=1)
  x, _ = lax.scan(lambda x, layer: (_block(layer, x), None), x, params['layers'])
  return _norm(x[:, 0], params['norm'])


def _block(layer: Params, x: jax.Array) -> jax.Array:
  """Attention and a perceptron, `[B, tokens, 384]`, each added to what it was given."""
  qkv = _dense(_norm(x, layer['norm1']), layer['qkv'])
  q, k, v = jnp.moveaxis(qkv.reshape(*x.shape[:2], 3, _HEADS, -1), 2, 0)
  attention = jax.nn.softmax(jnp.einsum('bqhd,bkhd->bhqk', q, k), axis=-1)
  heads = jnp.einsum('bhqk,bkhd->bqhd', attention, v)
  x = x + _dense(heads.reshape(x.shape), layer['out'])
  hidden = jax.nn.gelu(_dense(_norm(x, layer['norm2']), layer['fc1']), approximate=False)
  return x + _dense(hidden, layer['fc2'])


def _dense(x: jax.Array, layer: Params) -> jax.Array:
  return x @ layer['kernel'] + layer['bias']


def _norm(x: jax.Array, layer: Params) -> jax.Array:
  x = x - x.mean(axis=-1, keepdims=True)
  deviation = jnp.sqrt((x**2).mean(axis=-1, keepdims=True) + _NORM_EPSILON)
  return x / deviation * layer['scale'] + layer['bias']
