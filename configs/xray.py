"""Class-conditional DCGAN on X-rays: a recipe over your own folder of DICOM files.

Prepare: .venv/bin/python launch.py prepare --source=FOLDER --name=xray --resolution=128
  --labels=FILE.csv
Command: .venv/bin/python launch.py train --config=configs/xray.py
Another dataset of that kind: --config.dataset.name=NAME, prepared in the same way or known to TFDS.

Each file's own windows are applied, MONOCHROME1 is inverted, and the 16 bits that come out of it
reach the networks. Images of one patient stay on one side of the split. Without labels, add
--config.model.conditional=False.
Not for diagnosis: a model draws what is plausible, which is not what is true of any patient.
"""

from ml_collections import ConfigDict

from configs import default


def get_config() -> ConfigDict:
  config = default.get_config()
  config.dataset.name = 'xray'
  config.dataset.resolution = 128
  config.model.conditional = True
  config.model.latent_size = 128
  config.dcgan.discriminator_norm = 'none'
  config.regularisers = ('r1',)
  config.r1.weight = 0.5
  config.train.images = 1_000_000
  config.train.batch_size = 32
  config.evaluate.features = ('efficientnet_lite0',)
  config.evaluate.metrics = ('fd', 'kid')
  config.checkpoint.best_score = 'fd_efficientnet_lite0'
  return config
