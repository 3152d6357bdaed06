"""An array of tasks on a Slurm that is not there: its sbatch is a script of this test."""

import os
import stat

import pytest

from gan_jax.ablation import slurm
from gan_jax.errors import UserError

SBATCH = """#!/bin/sh
cp "$1" {folder}/submitted.sh
echo Submitted batch job 4711
"""


@pytest.fixture
def cluster(tmp_path, monkeypatch):
  """Puts an sbatch into the path; gives the folder where it leaves what it was given."""
  programs = tmp_path / 'bin'
  programs.mkdir()
  for name, text in {'sbatch': SBATCH.format(folder=tmp_path), 'srun': '#!/bin/sh\n'}.items():
    path = programs / name
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
  monkeypatch.setenv('PATH', f'{programs}{os.pathsep}{os.environ["PATH"]}')
  return tmp_path


def test_an_array_is_queued_with_its_parameters(cluster):
  parameters = {'slurm_partition': 'gpu', 'timeout_min': 90, 'gpus_per_node': 1}
  jobs = slurm.submit(['--sweep=a.py'], str(cluster / 'slurm'), 3, parameters)
  assert jobs == ['4711_0', '4711_1', '4711_2']
  text = (cluster / 'submitted.sh').read_text()
  assert '#SBATCH --array=0-2%3' in text
  assert '#SBATCH --partition=gpu' in text
  assert '#SBATCH --time=90' in text
  assert '#SBATCH --gpus-per-node=1' in text


def test_a_parameter_that_there_is_not_is_refused_in_a_line(cluster):
  with pytest.raises(UserError, match=r'--executor=slurm: .*partitoin'):
    slurm.submit([], str(cluster / 'slurm'), 1, {'slurm_partitoin': 'gpu'})


def test_without_slurm_that_is_said_in_a_line(tmp_path, monkeypatch):
  monkeypatch.setenv('PATH', str(tmp_path))
  with pytest.raises(UserError, match='--executor=slurm: '):
    slurm.submit([], str(tmp_path / 'slurm'), 1, {})


def test_a_task_works_in_a_process_of_its_own(capfd):
  assert slurm.Task(['--help'])() == 0
  assert 'launch.py ablate' in capfd.readouterr().out


def test_a_task_that_fails_says_of_what():
  with pytest.raises(RuntimeError, match=r'--sweep=nothing\.py: exit code 2'):
    slurm.Task(['--sweep=nothing.py'])()


def test_a_preempted_task_is_queued_again_as_it_was():
  task = slurm.Task(['a', 'b'])
  again = task.checkpoint()
  assert again.function is task
