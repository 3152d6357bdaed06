"""The command line as a user meets it, in processes of its own where that matters."""

import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import launch
from tests.command_line import call, one_line

ROOT = pathlib.Path(__file__).parent.parent


def run(*arguments, **options):
  return subprocess.run(
    [sys.executable, str(ROOT / 'launch.py'), *arguments],
    capture_output=True,
    text=True,
    cwd=ROOT,
    env={**os.environ, 'JAX_NUM_CPU_DEVICES': '1'},
    check=False,
    **options,
  )


@pytest.mark.parametrize('arguments', [(), ('--help',)])
def test_without_a_command_the_commands_are_listed(arguments):
  code, shown, _ = call(*arguments)
  assert code == 0
  commands = ('prepare', 'inspect', 'train', 'sample', 'evaluate', 'bench')
  assert all(f'  {name}' in shown for name in commands)


def test_the_commands_are_known_before_anything_large_is_imported():
  large = {'jax', 'flax', 'numpy', 'tensorflow'}
  code = f'import sys, launch, gan_jax.commands; print({large} & {{*sys.modules}} or None)'
  done = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT, check=True
  )
  assert done.stdout == 'None\n'


def test_an_unknown_command_offers_the_nearest():
  code, _, said = call('trian')
  assert code == 2
  assert "unknown command 'trian': did you mean 'train'" in one_line(said)


@pytest.mark.parametrize(
  ('command', 'flags'),
  [
    ('prepare', ('--source', '--name', '--labels', '--group', '--split', '--window', '--strict')),
    ('inspect', ('--config', '--dataset', '--splits', '--limit', '--out')),
    ('train', ('--config', '--workdir', '--allow_config_changes', '--executor', '--manifest')),
    ('sample', ('--workdir', '--count', '--classes', '--seed', '--truncation', '--out', '--step')),
    ('sample', ('--seeds', '--every_class', '--format', '--captions', '--overwrite')),
    ('interpolate', ('--seeds', '--latents', '--frames', '--loop', '--grid', '--style_mixing')),
    ('evaluate', ('--workdir', '--step', '--all', '--images', '--reference', '--metrics', '--out')),
    ('audit', ('--workdir', '--images', '--reference', '--audits', '--target', '--out')),
    ('bench', ('--config', '--parts', '--steps', '--devices', '--json')),
  ],
)
def test_each_command_explains_its_flags(command, flags):
  code, shown, _ = call(command, '--help')
  assert code == 0
  assert all(f'{flag}:' in shown for flag in flags)


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    (('train',), '--config: name a config file'),
    (('train', '--config=configs/nothing.py'), 'configs/nothing.py'),
    (('train', '--config=configs/smoke.py', '--config.train.batch_siz=8'), 'batch_size'),
    (('train', '--config=configs/smoke.py', '--config.train.batch_size=many'), 'batch_size'),
    (('train', '--config=configs/smoke.py', '--wrokdir=x'), 'workdir'),
    (('train', '--config=configs/smoke.py', 'now'), "unexpected argument 'now'"),
    (('sample', '--workdir=/nowhere', '--out=x.png'), 'holds no run'),
    (('sample', '--out=x.png'), '--workdir'),
    (('sample', '--workdir=/nowhere', '--out=x', '--seeds=3-1'), "--seeds=3-1: '3-1': accepted"),
    (('sample', '--workdir=/nowhere', '--out=x', '--seeds=1', '--seed=2'), '--seed: has no part'),
    (('interpolate', '--workdir=/nowhere', '--out=x.mp4'), '--latents=FILE.npz: name what'),
    (('interpolate', '--workdir=/nowhere', '--out=x.gif', '--seeds=1', '--grid=3'), '--grid=3'),
    (('interpolate', '--workdir=/nowhere', '--out=x.gif', '--seeds=1', '--rows=3'), '--rows: is'),
    (('interpolate', '--workdir=/nowhere', '--out=x.png', '--style_mixing', '--fps=3'), '--fps: '),
    (('evaluate', '--workdir=/nowhere', '--step=two'), '--step'),
    (('evaluate', '--workdir=/nowhere'), 'holds no run'),
    (('evaluate',), '--workdir=RUN, or --images=FOLDER with --reference=FOLDER'),
    (('evaluate', '--images=/nowhere'), '--images: needs --reference=FOLDER'),
    (
      ('evaluate', '--images=/nowhere', '--reference=/nowhere'),
      '--reference=/nowhere: there is no',
    ),
    (('evaluate', '--images=x', '--reference=x', '--step=3'), '--step: has no part in --images'),
    (('evaluate', '--workdir=x', '--all', '--step=3'), '--step: has no part in --all'),
    (('evaluate', '--workdir=x', '--weights=y'), '--weights=y: accepted: NETWORK=FILE'),
    (('evaluate', '--workdir=x', '--metrics=fid'), '--metrics=fid: unknown'),
    (('audit', '--images=x'), '--images: needs --reference=FOLDER'),
    (('audit', '--workdir=/nowhere', '--audits=representatoin'), 'holds no run'),
    (('bench',), '--config: name a config file'),
    (('prepare',), '--dataset=NAME or --source=...'),
    (('prepare', '--source=/nowhere'), 'needs --name'),
    (('prepare', '--source=/nowhere', '--name=x'), '--source=/nowhere: there is no such file'),
    (('prepare', '--source=.', '--name=X'), '--name=X: accepted: lower-case letters'),
    (('prepare', '--source=.', '--name=x', '--size=9by9'), '--size=9by9: accepted: WIDTHxHEIGHT'),
    (('prepare', '--source=.', '--name=x', '--fit=corp'), "--fit=corp: did you mean 'crop'?"),
    (('prepare', '--source=.', '--name=characters'), 'comes with gan_jax'),
    (('prepare', '--dataset=digits', '--resolution=8'), '--resolution: has no part in --dataset'),
    (('prepare', '--source=.', '--name=random_images'), 'comes with gan_jax'),
    (('prepare', '--source=.', '--name=x', '--bits=40'), '--bits=40: accepted: 9 to 16'),
    (('inspect', '--dataset=digit'), "did you mean 'digits'"),
    (('inspect', '--dataset=digits', '--out=x.pdf'), '--out=x.pdf: must end in'),
    (('inspect', '--dataset=digits', '--limit=0'), '--limit=0: must be positive'),
    (('bench', '--config=configs/smoke.py', '--parts=steps'), "did you mean 'step'"),
    (('train', '--config=configs/smoke.py', '--flagfile=/nowhere'), '/nowhere'),
    (('train', '--config=configs/smoke.py', '--config.seed=-1'), 'config.seed=-1: accepted'),
    (('train', '--config=configs/smoke.py', '--config.model.name=nope.py'), 'nope.py'),
    (('sample', '--workdir=/nowhere', '--out=x.jpg'), '--out=x.jpg: accepted: FILE.png'),
    (('evaluate', '--workdir=~/nowhere'), f'{os.path.expanduser("~")}/nowhere: holds no run'),
  ],
)
def test_a_mistake_is_one_line_and_exit_code_2(arguments, message, monkeypatch):
  monkeypatch.chdir(ROOT)
  code, _, said = call(*arguments)
  assert code == 2
  assert message in one_line(said)


@pytest.mark.parametrize('arguments', [('train',), ('sample', '--workdir=/nowhere', '--out=x.png')])
def test_a_process_ends_with_that_line_and_code(arguments):
  result = run(*arguments)
  code, _, said = call(*arguments)
  assert result.returncode == code == 2
  assert one_line(result.stderr) == one_line(said)


def test_images_of_a_folder_are_prepared_inspected_and_trained_on(tmp_path):
  rng = np.random.default_rng(0)
  for number in range(60):
    folder = tmp_path / 'photos' / ('cats', 'dogs')[number % 2]
    folder.mkdir(parents=True, exist_ok=True)
    pixels = rng.integers(0, 256, (24, 30, 3), np.uint8)
    Image.fromarray(pixels).save(folder / f'{number}.png')
  (tmp_path / 'photos' / 'cats' / 'empty.png').touch()
  place = f'--data_dir={tmp_path / "data"}'
  prepare = ['prepare', f'--source={tmp_path / "photos"}', '--name=photos', place]
  prepare += ['--resolution=16', '--labels=folders']
  prepared = run(*prepare)
  assert prepared.returncode == 0, prepared.stderr
  assert '60 images of 61 files taken, 0 converted, 1 refused' in prepared.stdout
  assert 'cats/empty.png: an empty file' in prepared.stdout
  again = call(*prepare)
  assert again.code == 2
  assert 'is there already; --overwrite' in one_line(again.err)

  page = tmp_path / 'photos.html'
  looked = call('inspect', '--dataset=photos', place, f'--out={page}')
  assert looked.code == 0, looked.err
  assert all(name in looked.out for name in ('cats', 'dogs', 'train', 'test'))
  assert 'dogs' in page.read_text()

  trained = run(
    'train',
    '--config=configs/smoke.py',
    '--config.dataset.name=photos',
    f'--config.dataset.data_dir={tmp_path / "data"}',
    '--config.train.images=32',
    '--config.evaluate.images=0',
    f'--workdir={tmp_path / "run"}',
  )
  assert trained.returncode == 0, trained.stderr
  assert (tmp_path / 'run' / 'samples' / 'reals.png').exists()


@pytest.mark.slow
def test_a_run_is_stopped_by_a_signal_continued_sampled_and_evaluated(tmp_path):
  workdir = str(tmp_path / 'run')
  train = ['train', '--config=configs/smoke.py', f'--workdir={workdir}']
  train += ['--config.train.images=6400', '--config.train.checkpoint_images=6400']
  train += ['--config.evaluate.images=0', '--config.train.sample_images=6400']
  environment = {**os.environ, 'JAX_NUM_CPU_DEVICES': '1'}
  process = subprocess.Popen(
    [sys.executable, str(ROOT / 'launch.py'), *train],
    cwd=ROOT,
    env=environment,
    stderr=subprocess.PIPE,
    text=True,
  )
  metrics = pathlib.Path(workdir) / 'metrics.jsonl'
  deadline = time.monotonic() + 200
  while not (metrics.exists() and metrics.read_text()) and time.monotonic() < deadline:
    time.sleep(0.1)
  process.send_signal(signal.SIGTERM)
  _, stderr = process.communicate(timeout=100)
  assert process.returncode == 75, stderr
  assert 'SIGTERM: saved at' in stderr
  assert 'Traceback' not in stderr

  result = run(*train)
  assert result.returncode == 0, result.stderr
  assert 'continuing' in result.stderr
  assert '6,400/6,400 images' in result.stderr
  assert all(word in result.stdout for word in ('pictures', 'scores', 'checkpoints', 'next:'))

  out = tmp_path / 'images'
  sampled = run('sample', f'--workdir={workdir}', '--count=3', '--classes=4,7', f'--out={out}')
  assert sampled.returncode == 0, sampled.stderr
  assert sorted(p.name for p in out.iterdir()) == ['000000_4.png', '000001_7.png', '000002_4.png']
  refused = call('sample', f'--workdir={workdir}', '--classes=10', f'--out={out}2')
  assert refused.code == 2
  assert 'accepted: 0 to 9' in one_line(refused.err)


def heeds_sigterm(process):
  """Whether a process has set a handler of SIGTERM."""
  status = pathlib.Path(f'/proc/{process.pid}/status').read_text()
  return int(status.split('SigCgt:')[1].split()[0], 16) >> (signal.SIGTERM - 1) & 1


@pytest.mark.slow
@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
  'command',
  [
    ('prepare', '--source={0}/images.npy', '--name=mine', '--data_dir={0}/data'),
    ('describe', '--config=configs/digits_r3gan.py'),
    ('bench', '--config=configs/bench/r3gan32.py'),
  ],
)
def test_a_signal_ends_any_command_with_a_line(command, number, tmp_path):
  images = np.random.default_rng(0).integers(0, 256, (20_000, 16, 16, 1), np.uint8)
  np.save(tmp_path / 'images.npy', images)
  process = subprocess.Popen(
    [sys.executable, str(ROOT / 'launch.py'), *(each.format(tmp_path) for each in command)],
    cwd=ROOT,
    stderr=subprocess.PIPE,
    stdout=subprocess.PIPE,
    text=True,
  )
  while not heeds_sigterm(process):
    time.sleep(0.02)
  time.sleep(random.Random(number).random() * 3)
  process.send_signal(number)
  _, said = process.communicate(timeout=60)
  if process.returncode == 0:  # it was done already
    return
  assert process.returncode == 75
  name = signal.Signals(number).name
  assert said.strip().splitlines()[-1] == f'launch.py: {name}: stopped; run the same command again'
  assert 'Traceback' not in said
  made = [path for path in tmp_path.rglob('dataset_info.json') if '.preparing' not in path.parts]
  assert not made, 'half a dataset is none'


def test_a_run_that_is_to_start_from_nothing_is_refused_and_leaves_nothing(tmp_path, digits):
  workdir = tmp_path / 'run'
  smoke = f'--config={ROOT}/configs/smoke.py'
  code, _, said = call('train', smoke, '--config.init.from=nothing', f'--workdir={workdir}')
  assert code == 2
  assert 'config.init.workdir=nothing: ' in one_line(said)
  assert not (workdir / 'config.json').exists()


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('def get_config(: pass', 'mine.py:1: invalid syntax'),
    ('import nothere', "mine.py:1: ModuleNotFoundError: No module named 'nothere'"),
    ('def get_config():\n  return [][1]', 'mine.py:2: IndexError'),
    ('x = 1', 'get_config'),
    (
      'from configs import smoke\ndef get_config():\n  c = smoke.get_config()\n'
      "  c.train.batch_size = 'many'\n  return c",
      'mine.py:4: TypeError',
    ),
    (
      'from configs import smoke\ndef get_config():\n  c = smoke.get_config()\n'
      '  c.train.batchsize = 8\n  return c',
      "config.train.batchsize: there is no such key; did you mean 'train.batch_size'?",
    ),
  ],
)
def test_what_a_config_file_gets_wrong_is_told_by_its_line(tmp_path, text, message):
  (tmp_path / 'mine.py').write_text(text)
  workdir = tmp_path / 'run'
  code, _, said = call('train', f'--config={tmp_path}/mine.py', f'--workdir={workdir}')
  assert code == 2
  assert message in one_line(said)
  assert not workdir.exists()


@pytest.mark.parametrize(
  ('error', 'said'),
  [
    (OSError(28, 'No space left on device', '/x/y'), '/x/y: No space left on device; make room'),
    (RuntimeError('write() failed: No space left on device'), 'No space left on device; make room'),
    (ValueError('RESOURCE_EXHAUSTED: disk quota exceeded'), 'Disk quota exceeded; make room'),
    (PermissionError(13, 'Permission denied', '/x'), '/x: Permission denied'),
    (OSError(30, 'Read-only file system', '/x'), '/x: Read-only file system'),
  ],
)
def test_what_the_system_refuses_is_one_line(error, said, capsys):
  def fails():
    try:
      raise error
    except Exception as inner:
      raise RuntimeError('in a library') from inner

  assert launch._guarded(fails) == 1
  assert said in one_line(capsys.readouterr().err)


def test_a_fault_of_ours_keeps_its_traceback():
  with pytest.raises(ZeroDivisionError):
    launch._guarded(lambda: 1 / 0)
