"""The command line as a user meets it, in processes of its own where that matters."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

import launch

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


def one_line(stderr):
  """The single line of a refusal."""
  assert 'Traceback' not in stderr
  (line,) = stderr.strip().splitlines()
  return line


@pytest.mark.parametrize('arguments', [(), ('--help',)])
def test_without_a_command_the_commands_are_listed(arguments, capsys):
  assert launch.main(['launch.py', *arguments]) == 0
  shown = capsys.readouterr().out
  assert all(f'  {name}' in shown for name in ('train', 'sample', 'evaluate', 'bench'))


def test_an_unknown_command_offers_the_nearest(capsys):
  assert launch.main(['launch.py', 'trian']) == 2
  assert "unknown command 'trian': did you mean 'train'" in one_line(capsys.readouterr().err)


@pytest.mark.parametrize(
  ('command', 'flags'),
  [
    ('train', ('--config', '--workdir', '--allow_config_changes')),
    ('sample', ('--workdir', '--count', '--classes', '--seed', '--truncation', '--out', '--step')),
    ('evaluate', ('--workdir', '--step')),
    ('bench', ('--config', '--parts', '--steps', '--devices', '--json')),
  ],
)
def test_each_command_explains_its_flags(command, flags):
  shown = run(command, '--help')
  assert shown.returncode == 0
  assert all(f'{flag}:' in shown.stdout for flag in flags)


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
    (('evaluate', '--workdir=/nowhere', '--step=two'), '--step'),
    (('bench',), '--config: name a config file'),
    (('bench', '--config=configs/smoke.py', '--parts=steps'), "did you mean 'step'"),
  ],
)
def test_a_mistake_is_one_line_and_exit_code_2(arguments, message):
  result = run(*arguments)
  assert result.returncode == 2
  assert message in one_line(result.stderr)


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
  refused = run('sample', f'--workdir={workdir}', '--classes=10', f'--out={out}')
  assert refused.returncode == 2
  assert 'from 0 to 9' in one_line(refused.stderr)
