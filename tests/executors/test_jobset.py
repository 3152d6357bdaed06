"""Manifests of JobSets: held to the definition's own fields, and their pods played by processes."""

import json
import os
import pathlib
import re
import subprocess
import sys

import jax
import pytest
import yaml

from gan_jax.errors import UserError
from gan_jax.executors import jobset
from gan_jax.workdir import record
from tests.executors.conftest import free_ports

ROOT = pathlib.Path(__file__).parent.parent.parent
SCHEMA = json.loads((pathlib.Path(__file__).parent / 'fixtures/jobset_v1alpha2.json').read_text())
TYPES = {'object': dict, 'array': list, 'string': str, 'integer': int, 'boolean': bool}
LABEL = re.compile(r'[a-z]([-a-z0-9]*[a-z0-9])?')  # of RFC 1035

ONE = jobset.Pods('lab/gan_jax:1', volumes={'/runs': 'runs'})
GPUS = jobset.Pods('lab/gan_jax:1', 2, 8, 16, volumes={'/runs': 'runs', '/data': 'data'})
TPUS = jobset.Pods('lab/gan_jax:1', 4, 4, tpu=jobset.Tpu('tpu-v6e-slice', '4x4'))


def faults(value, schema, place='JobSet'):
  """What of a value the definition does not allow."""
  kinds = schema.get('type')
  accepted = tuple(TYPES[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds))
  if not isinstance(value, accepted) or (isinstance(value, bool) and bool not in accepted):
    return [f'{place}: {value!r} is no {kinds}']
  found = []
  if 'enum' in schema and value not in schema['enum']:
    found.append(f'{place}: {value!r} is none of {schema["enum"]}')
  if isinstance(value, dict):
    found += [f'{place}: no {name}' for name in schema.get('required', []) if name not in value]
    for name, each in value.items():
      inner = schema.get('properties', {}).get(name, schema.get('additionalProperties'))
      found += faults(each, inner, f'{place}.{name}') if inner else [f'{place}: what is {name}?']
  for number, each in enumerate(value if isinstance(value, list) else []):
    found += faults(each, schema['items'], f'{place}[{number}]')
  return found


def made(pods, name='a-run', words=('train', '--config=configs/smoke.py')):
  """A manifest, read back from its text."""
  return yaml.safe_load(jobset.as_yaml(jobset.manifest(name, list(words), pods)))


def job(manifest):
  return manifest['spec']['replicatedJobs'][0]['template']['spec']


def container(manifest):
  (only,) = job(manifest)['template']['spec']['containers']
  return only


@pytest.mark.parametrize('pods', [ONE, GPUS, TPUS])
def test_all_fields_are_those_of_the_definition(pods):
  assert faults(made(pods), SCHEMA) == []


@pytest.mark.parametrize(
  ('where', 'value', 'fault'),
  [
    (('spec', 'failurePolicy', 'maxRestart'), 3, 'what is maxRestart'),
    (('spec', 'failurePolicy', 'maxRestarts'), '3', "'3' is no integer"),
    (('spec', 'failurePolicy', 'rules', 0, 'action'), 'Restart', 'is none of'),
    (('spec', 'replicatedJobs', 0), {'name': 'train'}, 'no template'),
  ],
)
def test_the_check_finds_what_is_wrong(where, value, fault):
  manifest = made(GPUS)
  at = manifest
  for name in where[:-1]:
    at = at[name]
  at[where[-1]] = value
  assert any(fault in each for each in faults(manifest, SCHEMA))


@pytest.mark.parametrize('pods', [ONE, GPUS, TPUS])
def test_what_kubernetes_asks_of_such_a_job_is_so(pods):
  """Rules that are in no definition: https://kubernetes.io/docs/concepts/workloads/controllers/job."""
  api, kind = made(pods)['apiVersion'], made(pods)['kind']  # by which it is known what it is
  assert (api, kind) == ('jobset.x-k8s.io/v1alpha2', 'JobSet')
  spec = job(made(pods))
  assert spec['completions'] == spec['parallelism'] == pods.nodes
  assert spec['completionMode'] == 'Indexed'
  assert spec['template']['spec']['restartPolicy'] == 'Never', 'podFailurePolicy needs it'
  names = {each['name'] for each in spec['template']['spec']['containers']}
  for rule in spec['podFailurePolicy']['rules']:
    assert len({'onExitCodes', 'onPodConditions'} & set(rule)) == 1
    assert rule.get('onExitCodes', {}).get('containerName', 'train') in names
  volumes = {each['name'] for each in spec['template']['spec'].get('volumes', [])}
  assert {each['name'] for each in container(made(pods)).get('volumeMounts', [])} == volumes


def test_being_stopped_and_evicted_restarts_for_ever_and_another_end_three_times():
  manifest = made(GPUS)
  rules = job(manifest)['podFailurePolicy']['rules']
  assert [rule['action'] for rule in rules] == ['FailJob', 'FailJob']
  assert rules[0]['onExitCodes'] == {'containerName': 'train', 'operator': 'In', 'values': [75]}
  assert rules[1]['onPodConditions'] == [{'type': 'DisruptionTarget', 'status': 'True'}]
  policy = manifest['spec']['failurePolicy']
  (stopped,) = policy['rules']
  assert stopped['onJobFailureReasons'] == ['PodFailurePolicy']
  assert stopped['action'] == 'RestartJobSetAndIgnoreMaxRestarts'
  assert policy['maxRestarts'] == 3
  assert job(manifest)['backoffLimit'] == 0, 'no pod begins again alone'


def test_devices_are_asked_for_by_their_names():
  assert 'resources' not in container(made(ONE))
  found = container(made(GPUS))['resources']
  assert found == {'limits': {'nvidia.com/gpu': 8}, 'requests': {'cpu': '16'}}
  assert container(made(TPUS))['resources'] == {'limits': {'google.com/tpu': 4}}
  gke = 'cloud.google.com/gke-'
  selected = {f'{gke}tpu-accelerator': 'tpu-v6e-slice', f'{gke}tpu-topology': '4x4'}
  assert job(made(TPUS))['template']['spec']['nodeSelector'] == selected
  assert list(made(TPUS)['metadata']['annotations'].values()) == [f'{gke}nodepool']
  assert 'annotations' not in made(GPUS)['metadata']


@pytest.mark.parametrize(('nodes', 'topology'), [(1, '2x2'), (2, '2x4'), (4, '4x4')])
def test_pods_are_placed_together_where_a_slice_is_of_several_hosts(nodes, topology):
  metadata = made(jobset.Pods('x', nodes, 4, tpu=jobset.Tpu('tpu-v6e-slice', topology)))['metadata']
  assert ('annotations' in metadata) == (nodes > 1)


@pytest.mark.parametrize('text', ['digits', 'My_run.2', '2026-11', '___', 'ü', 'a' * 80, 'a-' * 40])
def test_names_of_runs_become_names_of_hosts(text):
  name = jobset.name_of(text)
  pod = f'{name}-train-0-9999-abcde'  # as the controller adds it
  assert LABEL.fullmatch(name)
  assert len(pod) <= 63


@pytest.mark.parametrize(
  ('make', 'message'),
  [
    (lambda: jobset.volumes(['runs']), '--volume=runs: accepted: CLAIM:/PATH'),
    (lambda: jobset.volumes(['runs:relative']), '--volume=runs:relative: accepted'),
    (lambda: jobset.volumes(['Runs:/a']), '--volume=Runs:/a: accepted'),
    (lambda: jobset.volumes(['runs:/']), '--volume=runs:/: accepted'),
    (lambda: jobset.volumes(['a:/x', 'b:/x']), '--volume=b:/x: accepted: one claim a path; a is'),
    (lambda: jobset.tpu('v6e'), '--tpu=v6e: accepted: NAME:TOPOLOGY'),
    (lambda: jobset.tpu('tpu-v6e-slice:4'), '--tpu=tpu-v6e-slice:4: accepted'),
    (
      lambda: jobset.check(jobset.Pods('x', 2, 4, tpu=jobset.Tpu('tpu-v4-podslice', '2x2x4'))),
      'is of 16 chips; --nodes=2 times --devices=4 are 8',
    ),
  ],
)
def test_mistakes_name_the_flag(make, message):
  with pytest.raises(UserError, match=re.escape(message)):
    make()


ASKED = '--config=configs/smoke.py', '--image=lab/gan_jax:1'
PLACE = '--volume=runs:/runs', '--workdir=/runs/smoke'


@pytest.mark.parametrize(
  ('words', 'message'),
  [
    ((*ASKED,), '--executor=k8s: needs --manifest'),
    ((ASKED[0], '--manifest=x.yaml'), '--executor=k8s: needs --image'),
    ((*ASKED, '--manifest=x.yaml'), '--workdir=runs/smoke: accepted: an absolute path below'),
    ((*ASKED, *PLACE, '--manifest=configs/smoke.py'), '--manifest=configs/smoke.py: accepted'),
    ((*ASKED, *PLACE, '--manifest=/nowhere/x.yaml'), '--manifest=/nowhere/x.yaml: cannot be'),
    ((*ASKED, *PLACE, '--manifest=x.yaml', '--time=60'), '--time: has no part in --executor=k8s'),
    ((*ASKED, *PLACE, '--manifest=x.yaml', '--processes=2'), '--processes: has no part in'),
    ((*ASKED, *PLACE, '--manifest=x.yaml', '--devices=3'), 'a multiple of the 3 devices'),
    ((*ASKED, *PLACE, '--manifest=x.yaml', '--config.loss.name=hnge'), "did you mean 'hinge'"),
  ],
)
def test_a_mistake_is_a_line_and_leaves_nothing(train, words, message):
  code, said, refused = train(*words, '--executor=k8s')
  assert (code, said) == (2, '')
  (line,) = refused.splitlines()
  assert message in line
  assert not (ROOT / 'x.yaml').exists()


@pytest.mark.parametrize(
  ('words', 'message'),
  [
    (['--manifest=x.yaml'], '--manifest: has no part in --executor=local; accepted with --exec'),
    (['--nodes=2'], '--nodes: has no part in --executor=local; accepted with --executor=slurm or'),
    (['--executor=slurm', '--tpu=x:2x2'], '--tpu: has no part in --executor=slurm'),
    (['--executor=slurm', '--time=5'], '--time=5: accepted: minutes or'),
    (['--executor=slurm', '--sbatch=-A lab'], '--sbatch: -A: accepted'),
    (['--executor=slurm', '--devices=4', '--processes=3'], '--processes=3: accepted: what divides'),
    (['--executor=slurm', '--nodes=3', '--devices=1'], 'a multiple of the 3 devices'),
    (['--executor=slurm', '--nodes=3', '--processes=2'], 'a multiple of the 6 devices'),
    (['--executor=slrum'], '--executor'),
  ],
)
def test_flags_that_make_no_sense_together_are_refused_by_name(train, tmp_path, words, message):
  code, said, refused = train(ASKED[0], f'--workdir={tmp_path}/run', *words)
  assert (code, said) == (2, '')
  (line,) = refused.splitlines()
  assert message in line
  assert not (tmp_path / 'run').exists()


def test_files_that_are_in_the_cluster_need_not_be_here(train, tmp_path):
  weights = '--config.evaluate.weights.inception_v3=/data/inception.npz'
  scores = '--config.evaluate.features=inception_v3', '--config.evaluate.metrics=fd,kid'
  words = *ASKED, weights, *scores, '--config.checkpoint.best_score=fd_inception_v3'
  place = *PLACE, f'--manifest={tmp_path}/run.yaml', '--executor=k8s'
  assert train(*words, *place)[0] == 0
  assert weights in container(yaml.safe_load((tmp_path / 'run.yaml').read_text()))['command']


@pytest.mark.parametrize(
  ('words', 'code'),
  [
    ((*ASKED, *PLACE, '--executor=k8s'), 0),
    ((ASKED[0], '--executor=slurm', '--nodes=3', '--devices=1'), 2),
  ],
)
def test_a_run_that_is_to_be_elsewhere_takes_no_accelerator_here(train, tmp_path, words, code):
  manifest = [f'--manifest={tmp_path}/run.yaml'] if code == 0 else []
  before = jax.config.jax_platforms
  jax.config.update('jax_platforms', 'cuda')
  try:
    assert train(*words, *manifest)[0] == code
    assert jax.config.jax_platforms == 'cpu'
  finally:
    jax.config.update('jax_platforms', before)


def test_the_arguments_of_a_flag_file_are_written_out(train, tmp_path):
  (tmp_path / 'flags').write_text('\n'.join(['--executor=k8s', '--nodes=2', *ASKED, *PLACE]))
  path = tmp_path / 'run.yaml'
  words = f'--flagfile={tmp_path}/flags', f'--manifest={path}', '--config.seed=3'
  assert train(*words)[0] == 0
  found = container(yaml.safe_load(path.read_text()))['command']
  expected = ['--config=configs/smoke.py', '--workdir=/runs/smoke', '--config.seed=3']
  assert found == ['python', 'launch.py', 'train', *expected]


@pytest.mark.slow
def test_processes_in_the_place_of_pods_train_together(train, tmp_path):
  path, workdir = tmp_path / 'run.yaml', tmp_path / 'run'
  short = '--config.train.images=32', '--config.evaluate.images=0'
  place = f'--volume=runs:{tmp_path}', f'--workdir={workdir}', f'--manifest={path}'
  code, said, _ = train(*ASKED, *place, *short, '--executor=k8s', '--nodes=2')
  assert code == 0
  assert f'submit   kubectl apply -f {path}' in said
  assert 'cancel   kubectl delete jobset run' in said
  pod = container(yaml.safe_load(path.read_text()))
  variables = {each['name']: each.get('value') for each in pod['env']}
  assert re.fullmatch(r'run-train-0-0\.run:\d+', variables['JAX_COORDINATOR_ADDRESS'])
  here = f'localhost:{free_ports(1)[0]}'
  variables |= {'JAX_COORDINATOR_ADDRESS': here, 'JAX_NUM_CPU_DEVICES': '1'}
  pods = [
    subprocess.Popen(
      [sys.executable, *pod['command'][1:]],
      cwd=ROOT,
      env={**os.environ, **variables, 'JAX_PROCESS_ID': str(index)},
      stderr=subprocess.PIPE,
      text=True,
    )
    for index in range(2)
  ]
  said = [each.communicate(timeout=240)[1] for each in pods]
  assert [each.returncode for each in pods] == [0, 0], said
  assert [line['images'] for line in record.read_metrics(str(workdir), 'end')] == [32]
