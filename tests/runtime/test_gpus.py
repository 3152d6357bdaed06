"""Which GPUs there are for a process, by the variables of whoever started it."""

import pytest

from gan_jax.runtime import gpus

SLURM = {'SLURM_STEP_TASKS_PER_NODE': '2(x2),1', 'SLURM_NODEID': '1', 'SLURM_LOCALID': '1'}
MPI = {'OMPI_COMM_WORLD_LOCAL_RANK': '2', 'OMPI_COMM_WORLD_LOCAL_SIZE': '3'}
FOUR = {'CUDA_VISIBLE_DEVICES': '0,1,2,3'}


@pytest.mark.parametrize(
  ('variables', 'names'),
  [
    (FOUR, ['0', '1', '2', '3']),
    (FOUR | {'JAX_PLATFORMS': 'cuda,cpu'}, ['0', '1', '2', '3']),
    (FOUR | {'JAX_PLATFORMS': 'cpu'}, []),
    ({'CUDA_VISIBLE_DEVICES': ''}, []),
  ],
)
def test_names_are_those_that_jax_would_take(variables, names):
  assert gpus.visible(variables) == names


def test_without_a_variable_the_driver_is_asked(monkeypatch, tmp_path):
  monkeypatch.setattr(gpus, '_DRIVER', str(tmp_path / 'none'))
  assert gpus.visible({}) == []
  monkeypatch.setattr(gpus, '_DRIVER', str(tmp_path))
  for name in ('0000:01:00.0', '0000:02:00.0'):
    (tmp_path / name).mkdir()
  assert gpus.visible({}) == ['0', '1']


@pytest.mark.parametrize(
  ('variables', 'own'),
  [
    ({}, None),  # nobody says which process this is: all
    (SLURM, [2, 3]),
    (SLURM | {'SLURM_NODEID': '2', 'SLURM_LOCALID': '0'}, [0, 1, 2, 3]),  # alone on its machine
    (SLURM | {'SLURM_GPUS_PER_TASK': '4'}, [0, 1, 2, 3]),  # Slurm has dealt them out
    (SLURM | {'CUDA_VISIBLE_DEVICES': '3'}, [0]),  # so here
    (SLURM | {'CUDA_VISIBLE_DEVICES': ''}, None),
    (MPI, [2]),
    (MPI | {'CUDA_VISIBLE_DEVICES': '0,1,2,3,4,5'}, [4, 5]),
    ({'SLURM_STEP_TASKS_PER_NODE': 'nonsense', 'SLURM_LOCALID': '0'}, None),
  ],
)
def test_processes_of_one_machine_share_what_they_all_see(variables, own):
  assert gpus.own(FOUR | variables) == own


def test_every_gpu_is_one_processes_own():
  taken = []
  for number in range(4):
    place = {'OMPI_COMM_WORLD_LOCAL_RANK': str(number), 'OMPI_COMM_WORLD_LOCAL_SIZE': '4'}
    taken += gpus.own(place | {'CUDA_VISIBLE_DEVICES': ','.join(map(str, range(8)))})
  assert sorted(taken) == list(range(8))
