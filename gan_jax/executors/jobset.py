"""Manifests of JobSets: a command of launch.py on the pods of a Kubernetes cluster.

A JobSet (jobset.x-k8s.io/v1alpha2, https://jobset.sigs.k8s.io) starts all pods of a run anew when
one of them has ended before the run has.
"""

import dataclasses
import math
import re
from typing import Any

import yaml

from gan_jax.errors import Preempted, UserError

_JOB = 'train'  # of the pods, and of the container in each
_PORT = 8476
_GRACE_SECONDS = 120  # that a run has to save when it is evicted
_RESTARTS = 3  # after ends that are none of being stopped
_INDEX = "metadata.annotations['batch.kubernetes.io/job-completion-index']"
_LONGEST_NAME = 40  # of the 63 of a host's name, beside what the pods' names add
_GKE = 'cloud.google.com/gke-'


@dataclasses.dataclass(frozen=True)
class Tpu:
  """A slice of TPUs: GKE's name of the chips, such as tpu-v6e-slice, and their topology, 4x4."""

  accelerator: str
  topology: str

  @property
  def chips(self) -> int:
    """Of the whole slice."""
    return math.prod(map(int, self.topology.split('x')))


@dataclasses.dataclass(frozen=True)
class Pods:
  """What is asked of the cluster.

  Attributes:
    image: with the package in its working directory, and `python`.
    nodes: pods, one process each.
    devices: GPUs, or TPU chips, of each; 0 asks for none.
    cpus: cores of each; 0 asks for no number.
    tpu: which TPUs, where the devices are not GPUs.
    volumes: names of persistent volume claims, by where they are mounted.
  """

  image: str
  nodes: int = 1
  devices: int = 0
  cpus: int = 0
  tpu: Tpu | None = None
  volumes: dict[str, str] = dataclasses.field(default_factory=dict)


def name_of(text: str) -> str:
  """A name that Kubernetes takes, out of any."""
  letters = re.sub(r'[^a-z0-9]+', '-', text.lower()).strip('-')
  name = letters[:_LONGEST_NAME].rstrip('-')
  return name if name[:1].isalpha() else f'run-{name}'.rstrip('-')


def volumes(texts: list[str]) -> dict[str, str]:
  """Claims by where they are mounted, out of `CLAIM:PATH` each.

  Raises:
    UserError: for what is written otherwise, or mounted where another one is.
  """
  found: dict[str, str] = {}
  for text in texts:
    claim, _, path = text.partition(':')
    if not re.fullmatch(r'[a-z0-9]([a-z0-9.-]*[a-z0-9])?', claim) or not _is_mountable(path):
      raise UserError(f'--volume={text}: accepted: CLAIM:/PATH, as in runs:/runs')
    if path in found:
      raise UserError(f'--volume={text}: accepted: one claim a path; {found[path]} is there')
    found[path] = claim
  return found


def tpu(text: str) -> Tpu:
  """A slice out of `NAME:TOPOLOGY`, such as tpu-v6e-slice:4x4.

  Raises:
    UserError: for what is written otherwise.
  """
  found = re.fullmatch(r'([a-z0-9-]+):([1-9]\d*(?:x[1-9]\d*){1,2})', text)
  if not found:
    raise UserError(f'--tpu={text}: accepted: NAME:TOPOLOGY, as in tpu-v6e-slice:4x4')
  return Tpu(*found.groups())


def check(pods: Pods) -> None:
  """Raises UserError for what no cluster can give."""
  of, devices = pods.tpu, pods.nodes * pods.devices
  if of and of.chips != devices:
    raise UserError(
      f'--tpu={of.accelerator}:{of.topology}: is of {of.chips} chips; --nodes={pods.nodes} times '
      f'--devices={pods.devices} are {devices}; accepted: the same'
    )


def manifest(name: str, words: list[str], pods: Pods) -> dict[str, Any]:
  """The JobSet that runs a command of launch.py.

  Args:
    name: of `name_of`.
    words: the command with its arguments, as they are run in the image's working directory.
    pods: what is asked for.
  """
  job = {
    'completionMode': 'Indexed',
    'completions': pods.nodes,
    'parallelism': pods.nodes,
    'backoffLimit': 0,  # processes of one run: none begins again alone
    'podFailurePolicy': {'rules': _stopped_rules()},
    'template': _pod_template(name, words, pods),
  }
  return {
    'apiVersion': 'jobset.x-k8s.io/v1alpha2',
    'kind': 'JobSet',
    'metadata': {'name': name, **_placed_together(pods)},
    'spec': {
      'network': {'enableDNSHostnames': True, 'subdomain': name},
      'failurePolicy': {
        'maxRestarts': _RESTARTS,
        'rules': [
          {
            'name': 'stopped',
            'action': 'RestartJobSetAndIgnoreMaxRestarts',
            'onJobFailureReasons': ['PodFailurePolicy'],
          }
        ],
      },
      'replicatedJobs': [{'name': _JOB, 'replicas': 1, 'template': {'spec': job}}],
    },
  }


def as_yaml(manifest: dict[str, Any]) -> str:
  """The text of a file for `kubectl apply`."""
  return yaml.safe_dump(manifest, sort_keys=False, width=100)


def _is_mountable(path: str) -> bool:
  return path.startswith('/') and ':' not in path and path.rstrip('/') != ''


def _stopped_rules() -> list[dict[str, Any]]:
  """What fails a job for the reason PodFailurePolicy: a run that saved and left, a pod evicted."""
  codes = {'containerName': _JOB, 'operator': 'In', 'values': [Preempted.exit_code]}
  return [
    {'action': 'FailJob', 'onExitCodes': codes},
    {'action': 'FailJob', 'onPodConditions': [{'type': 'DisruptionTarget', 'status': 'True'}]},
  ]


def _pod_template(name: str, words: list[str], pods: Pods) -> dict[str, Any]:
  container = {
    'name': _JOB,
    'image': pods.image,
    'command': ['python', 'launch.py', *words],
    'env': _environment(name, pods),
    **_resources(pods),
  }
  spec: dict[str, Any] = {
    'restartPolicy': 'Never',
    'terminationGracePeriodSeconds': _GRACE_SECONDS,
    'containers': [container],
  }
  if pods.tpu:
    spec['nodeSelector'] = {
      f'{_GKE}tpu-accelerator': pods.tpu.accelerator,
      f'{_GKE}tpu-topology': pods.tpu.topology,
    }
  if pods.volumes:
    claims = {claim: f'volume-{n}' for n, claim in enumerate(dict.fromkeys(pods.volumes.values()))}
    container['volumeMounts'] = [
      {'name': claims[claim], 'mountPath': path} for path, claim in pods.volumes.items()
    ]
    spec['volumes'] = [
      {'name': volume, 'persistentVolumeClaim': {'claimName': claim}}
      for claim, volume in claims.items()
    ]
  return {'spec': spec}


def _environment(name: str, pods: Pods) -> list[dict[str, Any]]:
  """Variables by which the pods find one another; on TPUs GKE sets some of its own."""
  unbuffered = {'name': 'PYTHONUNBUFFERED', 'value': '1'}
  if pods.tpu or pods.nodes == 1:
    return [unbuffered]
  return [
    unbuffered,
    {'name': 'JAX_COORDINATOR_ADDRESS', 'value': f'{name}-{_JOB}-0-0.{name}:{_PORT}'},
    {'name': 'JAX_NUM_PROCESSES', 'value': str(pods.nodes)},
    {'name': 'JAX_PROCESS_ID', 'valueFrom': {'fieldRef': {'fieldPath': _INDEX}}},
  ]


def _resources(pods: Pods) -> dict[str, Any]:
  device = 'google.com/tpu' if pods.tpu else 'nvidia.com/gpu'
  limits = {device: pods.devices} if pods.devices else {}
  requests = {'cpu': str(pods.cpus)} if pods.cpus else {}
  found = {'limits': limits, 'requests': requests}
  given = {kind: amounts for kind, amounts in found.items() if amounts}
  return {'resources': given} if given else {}


def _placed_together(pods: Pods) -> dict[str, Any]:
  """A slice of several hosts is one pool of nodes: all pods go to the same."""
  if not pods.tpu or pods.nodes == 1:
    return {}
  key = 'alpha.jobset.sigs.k8s.io/exclusive-topology'
  return {'annotations': {key: f'{_GKE}nodepool'}}
