"""The guides: what they name is there, and their example of a regulariser trains."""

import pathlib
import re
import subprocess

import numpy as np
import pytest

from configs import smoke
from gan_jax.commands import COMMANDS
from gan_jax.train import train

ROOT = pathlib.Path(__file__).parent.parent
GUIDES = sorted(
  ROOT / name
  for name in subprocess.run(
    ['git', '-C', str(ROOT), 'ls-files', '*README.md'], capture_output=True, text=True, check=True
  ).stdout.split()
)


def test_the_front_door_is_short():
  assert len((ROOT / 'README.md').read_text().splitlines()) <= 200


@pytest.mark.parametrize('guide', GUIDES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_commands_and_files_are_there(guide):
  text = guide.read_text()
  for link in re.findall(r'\]\(([^)#]+)[^)]*\)', text):
    if not link.startswith('http'):
      assert (guide.parent / link).exists(), link
  for command in re.findall(r'launch\.py ([a-z]+)', text):
    assert command in COMMANDS, command
  for path in re.findall(r'`((?:configs|gan_jax|tests)/[\w/]+\.py)`', text):
    example = path.endswith('exponential.py')  # to be written by the reader
    assert example or (ROOT / path).exists(), path


@pytest.mark.slow
def test_the_example_of_a_regulariser_is_one_file_and_trains(tmp_path):
  text = (ROOT / 'gan_jax' / 'training' / 'README.md').read_text()
  (code,) = re.findall(r'```python\n(.*?)```', text, re.DOTALL)
  path = tmp_path / 'drift.py'
  path.write_text(code)
  config = smoke.get_config()
  config.evaluate.images = 0
  config.train.images = 32
  config.train.log_images = 16
  config.regularisers = (str(path),)
  train(config, str(tmp_path / 'run'))
  lines = (tmp_path / 'run' / 'metrics.jsonl').read_text().splitlines()
  values = [float(v) for line in lines for v in re.findall(r'"drift": ([\d.e-]+)', line)]
  assert values
  assert np.min(values) > 0
