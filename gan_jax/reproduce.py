"""Makes a recorded run again in a new place, and says what came out other than then, and why."""

import os
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from gan_jax.errors import UserError
from gan_jax.train import train
from gan_jax.workdir import checkpoint, config_file, files, record

# What a line holds that no two runs have in common.
_OF_THE_CLOCK = ('time', 'images_per_second', 'seconds')
_NAMED = 8  # files or packages named in a line
REQUIREMENTS, RESULT = 'requirements.then.txt', 'reproduction.json'


class Score(NamedTuple):
  """A score of the last evaluation, then and now.

  Attributes:
    name: of the score.
    then: its value in the record.
    now: its value in the new run.
    low: lower end of the interval of then.
    high: upper end.
  """

  name: str
  then: float
  now: float
  low: float
  high: float

  @property
  def within(self) -> bool:
    """Whether it is inside the interval of then."""
    return self.low <= self.now <= self.high


class Reproduction(NamedTuple):
  """What came of making a run again.

  Attributes:
    changed: what is not as it was: versions, platform, code, data, config; a sentence each.
    lines: lines of the record that were compared.
    first_difference: step of the first line that is other than then; None where all are the same.
    state: whether the weights at the end are the same bits; None where then's are gone.
    grids: sample grids that are not the same bits, of those that both have.
    scores: of the last evaluation that both have.
  """

  changed: list[str]
  lines: int
  first_difference: int | None
  state: bool | None
  grids: list[str]
  scores: list[Score]

  @property
  def same_bits(self) -> bool:
    """Whether everything that was compared is the same."""
    return self.first_difference is None and self.state is not False and not self.grids

  @property
  def within(self) -> bool:
    """Whether every score is inside its interval of then."""
    return all(score.within for score in self.scores)


def reproduce(workdir: str, out: str) -> Reproduction:
  """Makes the run in `workdir` again in `out`, which must not be there yet, and compares.

  Nothing of the code is changed or fetched: what would bring back the environment of then is
  written to `out`, see `REQUIREMENTS`; the comparison, too, see `RESULT`.

  Raises:
    UserError: where the folder holds no run, or `out` holds something.
    NonFiniteError: where the run diverges.
    Preempted: where it is stopped; nothing is compared then.
  """
  if os.path.abspath(workdir) == os.path.abspath(out):
    raise UserError(f'--out={out}: is the run itself; accepted: another place')
  config = record.load_config(workdir)
  then = record.read_circumstances(workdir)
  if not then.get('starts'):
    raise UserError(f'--workdir={workdir}: holds no whole run (no starts in run.json)')
  lines = record.read_metrics(workdir)
  images = _images(lines, config, workdir)
  own = ConfigDict(config.to_dict())
  own.train.images = images
  if own.train.get('seconds'):
    own.train.seconds = None  # as long as it took then, whatever the machine
  train(own, out)
  write_requirements(then, os.path.join(out, REQUIREMENTS))
  found = compare(workdir, out)
  record.write_json(
    os.path.join(out, RESULT),
    {
      **found._asdict(),
      'scores': [{**score._asdict(), 'within': score.within} for score in found.scores],
      'same_bits': found.same_bits,
    },
  )
  return found


def take_cores_of(workdir: str) -> None:
  """Keeps this process to as many cores as the run had, before JAX is at work.

  Raises:
    UserError: where its record is damaged.
  """
  if not os.path.exists(os.path.join(workdir, 'run.json')) or not hasattr(os, 'sched_setaffinity'):
    return
  starts = files.read_json(os.path.join(workdir, 'run.json')).get('starts') or [{}]
  cores, own = starts[-1].get('cores'), sorted(os.sched_getaffinity(0))
  if cores and cores < len(own):
    os.sched_setaffinity(0, own[:cores])


def compare(workdir: str, out: str) -> Reproduction:
  """Compares two runs of one config.

  Args:
    workdir: of the run of then.
    out: of the new one.
  """
  old, new = (_lines(record.read_metrics(each)) for each in (workdir, out))
  shared = sorted(set(old) & set(new))
  differing = [key[0] for key in shared if old[key] != new[key]]
  return Reproduction(
    changed=changed(workdir, out),
    lines=len(shared),
    first_difference=min(differing, default=None),
    state=_same_state(workdir, out),
    grids=_differing_grids(workdir, out),
    scores=_scores(old, new),
  )


def changed(workdir: str, out: str) -> list[str]:
  """What is not in the new run as it was then, a sentence each."""
  then, now = (record.read_circumstances(each) for each in (workdir, out))
  old, new = then['starts'][-1], now['starts'][-1]
  found = []
  for name in ('python', 'platform', 'device_kind', 'processors', 'cores'):
    if old.get(name) != new.get(name):
      found.append(f'{name}: was {old.get(name)}, is {new.get(name)}')
  versions = _differences(old.get('packages', {}), new.get('packages', {}))
  if versions:
    found.append(f'versions: {_listed(versions)}')
  sources = _differences(
    then.get('code', {}).get(old.get('code'), {}), now.get('code', {}).get(new.get('code'), {})
  )
  if sources and 'code' in old:
    found.append(f'code: {_listed([each.split(" ")[0] for each in sources])}')
  prints = [about.get('dataset', {}).get('fingerprints', {}) for about in (then, now)]
  if prints[0] != prints[1]:
    found.append(f'data: {_listed(_differences(*prints))}')
  found += [f'config: {text}' for text in _edited(workdir, then)]
  found += [
    f'config, changed under way at {start["images"]:,} images: {text}'
    for start in then['starts']
    for text in start.get('changed', [])
  ]
  return found


def write_requirements(then: dict[str, Any], path: str) -> None:
  """Writes the versions of then, as pip takes them."""
  start = then['starts'][-1]
  lines = [
    f'# The packages of a run of {start["time"]}, Python {start.get("python")}, '
    f'git {(start.get("git") or {}).get("revision")}.',
    *(f'{name}=={version}' for name, version in start.get('packages', {}).items()),
  ]
  record.write_atomically(path, '\n'.join(lines) + '\n')


def _images(lines: list[dict[str, Any]], config: ConfigDict, workdir: str) -> int:
  """Images that the run of then came to."""
  ends = [line['images'] for line in lines if line['kind'] in ('end', 'scores') and line['step']]
  if not ends:
    raise UserError(
      f'--workdir={workdir}: was neither scored nor ended; there is nothing to compare'
    )
  return min(max(ends), config.train.images)


def _lines(lines: list[dict[str, Any]]) -> dict[tuple[int, str, int], dict[str, Any]]:
  """The lines of steps and scores, without what the clock decides, by step and kind."""
  found: dict[tuple[int, str, int], dict[str, Any]] = {}
  for line in lines:
    if line['kind'] in ('train', 'scores', 'alarm'):
      number = sum(1 for step, kind, _ in found if (step, kind) == (line['step'], line['kind']))
      found[line['step'], line['kind'], number] = {
        name: value for name, value in line.items() if not name.startswith(_OF_THE_CLOCK)
      }
  return found


def _same_state(workdir: str, out: str) -> bool | None:
  """Whether the newest checkpoint that both have is the same; None where they share none."""
  try:
    old, new = (checkpoint.Checkpointer(each, read_only=True) for each in (workdir, out))
  except UserError:
    return None
  shared = set(old.steps()) & set(new.steps())
  if not shared:
    return None
  digests = [each.about(max(shared)).get(checkpoint.DIGESTS) for each in (old, new)]
  return None if None in digests else digests[0] == digests[1]


def _differing_grids(workdir: str, out: str) -> list[str]:
  folders = [os.path.join(each, 'samples') for each in (workdir, out)]
  names = [set(os.listdir(folder)) if os.path.isdir(folder) else set() for folder in folders]
  return [
    name
    for name in sorted(names[0] & names[1])
    if name.endswith('.png') and len({_content(os.path.join(f, name)) for f in folders}) > 1
  ]


def _content(path: str) -> bytes:
  with open(path, 'rb') as file:
    return file.read()


def _scores(
  old: dict[tuple[int, str, int], dict[str, Any]], new: dict[tuple[int, str, int], dict[str, Any]]
) -> list[Score]:
  scored = [key for key in old if key[1] == 'scores' and key[0] and key in new]
  if not scored:
    return []
  then, now = old[max(scored)], new[max(scored)]
  return [
    Score(name, then[name], now[name], then[f'{name}_low'], then[f'{name}_high'])
    for name in then
    if f'{name}_low' in then and name in now
  ]


def _edited(workdir: str, then: dict[str, Any]) -> list[str]:
  """What `config.json` says other than what the run was last started with."""
  started = then.get('config')
  if started is None:
    return []
  return [
    f'{text} in config.json'
    for _, text in config_file.differences(started, record.as_json(record.load_config(workdir)))
  ]


def _differences(old: dict[str, str], new: dict[str, str]) -> list[str]:
  return [
    f'{name} {old.get(name, "(absent)")} -> {new.get(name, "(absent)")}'
    for name in sorted({*old, *new})
    if old.get(name) != new.get(name)
  ]


def _listed(texts: list[str]) -> str:
  more = f' and {len(texts) - _NAMED} more' if len(texts) > _NAMED else ''
  return ', '.join(texts[:_NAMED]) + more
