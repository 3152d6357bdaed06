"""The config of a run, out of its folder: to go on with it, or to make it again elsewhere.

Command: .venv/bin/python launch.py train --config=configs/recorded.py:runs/digits --workdir=runs/2
"""

from ml_collections import ConfigDict

from gan_jax.workdir import record


def get_config(workdir: str = '') -> ConfigDict:
  return record.load_config(workdir)
