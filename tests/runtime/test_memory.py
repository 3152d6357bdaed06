"""The second start with large pages, in processes of its own."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent
SCRIPT = """
import os, sys
from gan_jax.runtime import memory
memory._POLICY = sys.argv[1]
print('start', os.environ.get('GLIBC_TUNABLES'), sys.argv[2:], flush=True)
memory.restart_with_large_pages()
print('run', os.environ.get('GLIBC_TUNABLES'))
"""


def run(tmp_path, policy, **environment):
  (tmp_path / 'enabled').write_text(policy)
  (tmp_path / 'script.py').write_text(SCRIPT)
  clean = {k: v for k, v in os.environ.items() if k != 'GLIBC_TUNABLES'}
  result = subprocess.run(
    [sys.executable, str(tmp_path / 'script.py'), str(tmp_path / 'enabled'), '--name=a b'],
    env={**clean, 'PYTHONPATH': str(ROOT), **environment},
    capture_output=True,
    text=True,
    check=True,
  )
  return result.stdout.splitlines()


@pytest.mark.skipif(sys.platform != 'linux', reason='large pages are asked for on Linux alone')
def test_it_starts_once_more_with_the_same_arguments(tmp_path):
  setting = 'glibc.malloc.hugetlb=1'
  assert run(tmp_path, 'always [madvise] never') == [
    "start None ['--name=a b']",
    f"start {setting} ['--name=a b']",
    f'run {setting}',
  ]


@pytest.mark.parametrize('policy', ['[always] madvise never', 'always madvise [never]'])
def test_where_the_system_decides_it_stays(tmp_path, policy):
  assert run(tmp_path, policy)[1:] == ['run None']


def test_what_the_user_set_stays(tmp_path):
  own = 'glibc.malloc.arena_max=2'
  assert run(tmp_path, 'always [madvise] never', GLIBC_TUNABLES=own)[1:] == [f'run {own}']
