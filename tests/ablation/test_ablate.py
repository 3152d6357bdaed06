"""`launch.py ablate` and `report` as a user meets them."""

import json
import pathlib
import re

import pytest

from configs.ablations import losses, pictures
from gan_jax import ablate
from gan_jax.ablation import estimate, plan
from gan_jax.ablation.root import Root
from gan_jax.errors import UserError
from gan_jax.runtime import parallel
from tests.command_line import call

FOLDER = pathlib.Path(losses.__file__).parent
WORDS = {'pictures': pictures.DATASETS}
SHIPPED = [
  f'{path}{word and ":"}{word}'
  for path in sorted(FOLDER.glob('*.py'))
  for word in WORDS.get(path.stem, ('',))
]
FILE = """
from configs import smoke
from gan_jax.ablation import sweep

def get_sweep():
  base = smoke.get_config()
  return sweep.Sweep('Which?', base, {'plain': {}}, 'plain', sweep.Budget(images=192), (0,))
"""


@pytest.mark.parametrize('path', SHIPPED, ids=lambda path: path.rpartition('/')[2])
def test_every_shipped_sweep_can_be_planned_and_pairs_its_seeds(path, monkeypatch):
  # Batches are for one device; eight are simulated here.
  monkeypatch.setattr(parallel, 'check_batch', lambda *arguments: None)
  made = plan.plan(*ablate.load(path))
  assert len(made.runs) == len(made.distinct) == len(made.sweep.variants) * len(made.sweep.seeds)
  for seed in made.sweep.seeds:
    assert {run.config.seed for run in made.runs if run.seed == seed} == {seed}
  for variant in made.sweep.variants:
    if variant != made.sweep.baseline:
      assert made.changes(variant) != made.changes(made.sweep.baseline)
  assert json.loads(json.dumps(made.as_json()))['score'] == made.sweep.compared_by


def test_the_example_of_the_guide_is_a_sweep(tmp_path, monkeypatch):
  monkeypatch.setattr(parallel, 'check_batch', lambda *arguments: None)
  guide = FOLDER / 'README.md'
  (code,) = re.findall(r'```python\n(.*?)```', guide.read_text(), re.DOTALL)
  path = tmp_path / 'hinge.py'
  path.write_text(code)
  made = plan.plan(*ablate.load(str(path)))
  assert made.changes('hinge') == {'loss.name': ('nonsaturating', 'hinge')}
  assert len(made.runs) == 12


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('x = 1', 'defines no get_sweep()'),
    ('def get_sweep(): return 3', 'get_sweep() returns int; accepted: a Sweep'),
    ('import nothing_at_all', 'cannot be imported: ModuleNotFoundError'),
    (FILE.replace("'plain': {}", "'plain': {'los.name': 1}"), 'there is no such key'),
    (FILE.replace('images=192', ''), 'one of images, steps and seconds'),
  ],
)
def test_a_file_that_is_no_sweep_is_refused_in_a_line(tmp_path, text, message):
  path = tmp_path / 'tiny.py'
  path.write_text(text)
  code, _, error = call('ablate', f'--sweep={path}', f'--root={tmp_path / "root"}')
  assert code == 2
  assert message in error
  assert len(error.strip().splitlines()) == 1
  assert not (tmp_path / 'root').exists()


def test_other_seeds_than_the_files_own_may_be_asked_for(tmp_path):
  path = tmp_path / 'tiny.py'
  path.write_text(FILE)
  flags = f'--sweep={path}', '--seeds=5,6,7', '--dry_run', '--noestimate'
  code, said, _ = call('ablate', *flags)
  assert code == 0
  assert '3 runs of 192 images each' in said
  assert '7: ' in said


def test_a_dry_run_prints_the_plan_and_leaves_nothing(tmp_path):
  path = tmp_path / 'tiny.py'
  path.write_text(FILE)
  flags = f'--sweep={path}', f'--root={tmp_path / "root"}', '--dry_run', '--noestimate'
  code, said, _ = call('ablate', *flags)
  assert code == 0
  assert 'plain (baseline)' in said
  assert '1 runs of 192 images each, 1 distinct, 0 done' in said
  assert not (tmp_path / 'root').exists()


def test_runs_are_begun_as_the_flags_say(tmp_path, monkeypatch):
  path, asked = tmp_path / 'tiny.py', []
  path.write_text(FILE)
  monkeypatch.setattr(ablate, 'ablate', lambda made, options: asked.append(options))
  where = f'--sweep={path}', f'--root={tmp_path / "root"}', '--noestimate'
  for flags in ((), ('--parallel=3', '--retries=4')):
    assert call('ablate', *where, *flags).code == 0
  found = [(each.executor, each.parallel, each.retries) for each in asked]
  assert found == [('local', 1, 1), ('local', 3, 4)]
  assert {each.root for each in asked} == {str(tmp_path / 'root')}


def test_of_a_sweep_that_is_done_no_run_is_begun_again(written, capsys):
  root, made = written({'a': [[3], [4]], 'b': [[1], [2]]})
  found = ablate.ablate(made, ablate.Options(root.path))
  assert [(run.state, run.value) for row in found.rows for run in row.runs] == [
    ('finished', value) for value in (3, 4, 1, 2)
  ]
  assert 'begins' not in capsys.readouterr().out


@pytest.mark.parametrize(
  ('settings', 'accepted'),
  [
    ({'parallel': 1, 'retries': 0}, True),
    ({'parallel': 0}, False),
    ({'retries': -1}, False),
  ],
)
def test_one_run_at_a_time_without_another_attempt_is_the_least(written, settings, accepted):
  root, made = written({'a': [[3]], 'b': [[1]]})
  options = ablate.Options(root.path, **settings)
  if accepted:
    assert [row.mean.value for row in ablate.ablate(made, options).rows] == [3, 1]
    return
  with pytest.raises(UserError, match='--parallel and --retries: accepted: integers from 1'):
    ablate.ablate(made, options)


SWEEP = 'ablate', '--sweep=configs/ablations/losses.py'
PICTURES = '--sweep=configs/ablations/pictures.py'


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    (('ablate',), '--sweep: name a file'),
    (('ablate', '--sweep=configs/nothing.py'), "--sweep='configs/nothing.py': No such file"),
    (('ablate', PICTURES), 'takes 1 argument; accepted: configs/ablations/pictures.py:WORD'),
    (('ablate', f'{PICTURES}:emojis'), "--sweep: 'emojis': did you mean 'emoji'"),
    (('ablate', f'{PICTURES}:../x'), "'../x' is no word; accepted: letters, digits, - and _"),
    ((*SWEEP[:-1], f'{SWEEP[-1]}:x'), 'takes no argument; accepted: configs/ablations/losses.py'),
    ((*SWEEP, '--executor=slurm', '--sbatch=fast'), '--sbatch: fast: accepted: long options'),
    ((*SWEEP, '--devices=2'), '--devices: has no part in --executor=local; accepted with --ex'),
    ((*SWEEP, '--executor=k8s'), '--executor'),
    (('report',), '--root: name the folder'),
    (('report', '--root=nowhere'), '--root=nowhere: holds no sweep'),
    (('report', '--workdir=nowhere', '--out=/tmp/x.html'), 'holds no run'),
    (('report', '--workdir=nowhere', '--out=x.csv'), r'ends in .html'),
    ((*SWEEP, '--seeds=1,x'), '--seeds=x: accepted'),
    (('reproduce',), '--workdir'),
    (('reproduce', 'nowhere'), '--workdir=nowhere: holds no run'),
    (('reproduce', 'a', 'b'), '--workdir'),
    (('reproduce', '--workdir=nowhere'), 'holds no run'),
  ],
)
def test_mistakes_are_a_line(arguments, message):
  code, _, error = call(*arguments)
  assert code == 2
  assert message in error
  assert len(error.strip().splitlines()) == 1


@pytest.mark.slow
def test_an_estimate_is_of_measured_steps_and_is_kept(tmp_path, children):
  path = tmp_path / 'tiny.py'
  path.write_text(FILE.replace('(0,)', '(0, 1)'))
  made = plan.plan(*ablate.load(str(path)))
  root = Root(str(tmp_path / 'root'))
  root.make()
  found = estimate.measured(made, root, set(made.distinct))
  (speed,) = found.images_per_second.values()
  assert found.seconds == pytest.approx(2 * 192 / speed)
  kept = json.loads(pathlib.Path(root.steps).read_text())
  assert list(kept.values()) == [speed]
  assert estimate.measured(made, root, set()).seconds == 0
  # Twice what a run of these networks leaves: three checkpoints of its state, and pictures.
  assert 2 * 2e6 < found.disk_bytes < 2 * 20e6
