"""GAT-B/2 on ImageNet in an autoencoder's latents (arXiv:2509.24935); see `gat_s.py`.

Command: .venv/bin/python launch.py train --config=configs/published/gat_b.py
Published: of GAT-XL/2, FID 2.18 at 256 pixels after 60 epochs. Not trained here.
Hardware: 8 GPUs for days.
"""

from ml_collections import ConfigDict

from configs.published import gat_s


def get_config() -> ConfigDict:
  return gat_s.gat(12, 768, 12)
