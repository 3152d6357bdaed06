r"""Files as their own code writes them, of networks with drawn weights: writes .pkl and .npz.

    git clone https://github.com/NVlabs/stylegan2-ada-pytorch
    git clone https://github.com/NVlabs/stylegan3
    git clone https://github.com/brownvc/R3GAN
    python -m venv torch && torch/bin/pip install torch numpy requests scipy
    for name in stylegan2-ada-pytorch stylegan3 R3GAN; do
      torch/bin/python tests/share/make_published.py $name
    done

Made with revisions d72cc7d, c233a91 and 19a7ddf and torch 2.13.0. Each file holds what a training
writes, but for the text of the networks' code, which is left out: nothing of it is copied, and no
reader here looks at it.
"""

import importlib.util
import pathlib
import pickle
import sys
import types

import numpy as np
import torch
from torch.torch_version import TorchVersion

HERE = pathlib.Path(__file__).parent / 'fixtures'
BATCH, Z, SIDE, CLASSES = 4, 6, 16, 3


def draw(network):
  """Gives every parameter and average a drawn value, of about the size that it has in training."""
  with torch.no_grad():
    for name, value in [*network.named_parameters(), *network.named_buffers()]:
      if not name.endswith(('resample_filter', 'Kernel')):
        scale = 1.0 if value.ndim > 1 else 0.3
        scale *= 100 if 'mapping.fc' in name else 1  # which it learns at a hundredth of the rate
        fan_in = value[0].numel() if 'Layer' in name and value.ndim > 1 else 1
        value.copy_(torch.randn_like(value) * scale / fan_in**0.5)


def stylegan2(ada):
  from torch_utils import persistence

  persistence._module_to_src = lambda module: ''
  if ada:
    from training import networks
  else:
    from training import networks_stylegan2 as networks
  classes = CLASSES if ada else 0
  sizes = {'channel_base': 64, 'channel_max': 8, 'num_fp16_res': 1, 'conv_clamp': 256}
  synthesis = {'synthesis_kwargs': sizes} if ada else sizes
  generator = networks.Generator(
    Z, classes, 8, SIDE, 3, mapping_kwargs={'num_layers': 2}, **synthesis
  )
  discriminator = networks.Discriminator(
    classes, SIDE, 3, **sizes, epilogue_kwargs={'mbstd_group_size': 2}
  )
  options = {'noise_mode': 'const', 'force_fp32': True}
  return generator, discriminator, options, ['force_fp32']


def r3gan():
  from training import networks

  sizes = {'BlocksPerStage': [1, 1, 1], 'ExpansionFactor': 2, 'FP16Stages': []}
  of_both = {'c_dim': CLASSES, 'img_resolution': SIDE, 'ConditionEmbeddingDimension': 5}
  widths, groups = [8, 8, 4], [4, 4, 2]
  generator = networks.Generator(
    NoiseDimension=Z, WidthPerStage=widths, CardinalityPerStage=groups, **sizes, **of_both
  )
  discriminator = networks.Discriminator(
    WidthPerStage=widths[::-1], CardinalityPerStage=groups[::-1], **sizes, **of_both
  )
  return generator, discriminator, {}, []


def main():
  folder = pathlib.Path(sys.argv[1])
  sys.path.insert(0, str(folder))
  if importlib.util.find_spec('pkg_resources') is None:  # gone from newer setuptools
    sys.modules['pkg_resources'] = types.SimpleNamespace(parse_version=TorchVersion)
  torch.manual_seed(0)
  name = folder.name.split('+')[-1].lower().replace('-', '_')
  made = r3gan() if name == 'r3gan' else stylegan2('ada' in name)
  generator, discriminator, options, kept = made
  for network in (generator, discriminator):
    draw(network)
    network.eval().requires_grad_(False)
  latents = torch.randn(BATCH, Z)
  classes = generator.c_dim
  labels = torch.nn.functional.one_hot(torch.arange(BATCH) % max(classes, 1), max(classes, 1))
  labels = labels.float()[:, :classes]
  images = generator(latents, labels, **options)
  # Its groups of the deviation are of every other image, ours of neighbours.
  order = torch.tensor([0, 2, 1, 3])
  judged = torch.rand_like(images) * 2 - 1
  logits = discriminator(judged[order], labels[order], **{k: options[k] for k in kept})
  found = {'latents': latents, 'images': images.permute(0, 2, 3, 1)}
  found['judged'] = judged.permute(0, 2, 3, 1)
  found['logits'] = logits.reshape(-1)[torch.argsort(order)]
  if hasattr(generator, 'mapping'):
    half = generator(latents, labels, truncation_psi=0.5, **options)
    found['truncated'] = half.permute(0, 2, 3, 1)
  HERE.mkdir(exist_ok=True)
  np.savez_compressed(HERE / f'{name}.npz', **{k: v.numpy() for k, v in found.items()})
  data = {'G': generator, 'D': discriminator, 'G_ema': generator}
  data |= {'training_set_kwargs': {'path': 'images.zip', 'resolution': SIDE}, 'cur_nimg': 1000}
  path = HERE / f'{name}.pkl'
  path.write_bytes(pickle.dumps(data))
  print(path, path.stat().st_size)


main()
