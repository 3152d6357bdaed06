"""Compares forecasts for this machine's CPU with runs that are then measured; no part of the tests.

    python -m tests.forecast_errors [--configs=configs/digits.py,...] [--json=errors.json]

With `--json` what is there is not measured again: one config at a time fills the table. For each
config: `launch.py forecast`, then `launch.py train` of some steps in a process of its own,
evaluations left out. Measured are the most memory that the process had, as the kernel counts it,
and the median time of a step by its `metrics.jsonl`. Prints a Markdown table. On a machine with
other work to do the times say little; memory does not mind.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

from gan_jax import build, registry

_ROOT = pathlib.Path(__file__).parent.parent
_CONFIGS = (
  'configs/digits.py',
  'configs/digits_r3gan.py',
  'configs/zoo/stylegan2_fashion.py',
  'configs/characters.py',
  'configs/bench/dcgan64.py',
)
_LOGS, _STEPS_A_LOG = 5, 4
_NEVER = 10**9  # images


def main(arguments: list[str]) -> int:
  """Runs the command; returns 1 where a forecast was further off than it may be."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--configs', default=','.join(_CONFIGS))
  parser.add_argument('--json', type=pathlib.Path, help='file for what was found, and was before')
  parser.add_argument('--steps_a_log', type=int, default=_STEPS_A_LOG)
  flags = parser.parse_args(arguments)
  found = json.loads(flags.json.read_text()) if flags.json and flags.json.exists() else {}
  for path in flags.configs.split(','):
    if path in found:
      continue
    found[path] = compared(path, flags.steps_a_log)
    print(path, json.dumps(found[path]), file=sys.stderr, flush=True)
    if flags.json:
      flags.json.write_text(json.dumps(found, indent=2) + '\n')
  print(table(found))
  off = [abs(one['memory_error']) > 0.1 or abs(one['time_error']) > 0.25 for one in found.values()]
  return int(any(off))


def compared(path: str, steps_a_log: int) -> dict[str, float]:
  """A config's forecast, and what was measured."""
  with tempfile.TemporaryDirectory() as folder:
    said = os.path.join(folder, 'forecast.json')
    _run(['forecast', f'--config={path}', '--devices=cpu', f'--json={said}'])
    forecast = json.loads(pathlib.Path(said).read_text())
    config = registry.load(str(_ROOT / path), 'config').get_config()
    every = steps_a_log * build.images_per_step(config)
    run = os.path.join(folder, 'run')
    memory = _run(
      [
        *('train', f'--config={path}', f'--workdir={run}'),
        *(f'--config.train.images={_LOGS * every}', f'--config.train.log_images={every}'),
        *(f'--config.train.{name}_images={_NEVER}' for name in ('sample', 'checkpoint')),
        '--config.evaluate.images=0',
      ]
    )
    lines = pathlib.Path(run, 'metrics.jsonl').read_text().splitlines()
  # The first log is of the first steps, which touch their memory for the first time.
  logs = [json.loads(line) for line in lines]
  speeds = [log['images_per_second'] for log in logs if log['kind'] == 'train'][1:]
  seconds = build.images_per_step(config) / statistics.median(speeds)
  return {
    'forecast_bytes': forecast['memory_bytes'],
    'measured_bytes': memory,
    'memory_error': forecast['memory_bytes'] / memory - 1,
    'forecast_seconds': forecast['seconds_per_step'],
    'measured_seconds': seconds,
    'time_error': forecast['seconds_per_step'] / seconds - 1,
    'checkpoint_bytes': forecast['checkpoint_bytes'],
  }


def _run(words: list[str]) -> int:
  """Runs launch.py with some words; returns the most bytes that its process had.

  That of its children is another number to the kernel: `forecast` has them, `train` has none.
  """
  process = subprocess.Popen([sys.executable, 'launch.py', *words], cwd=_ROOT, stdout=sys.stderr)
  _, status, usage = os.wait4(process.pid, 0)
  if os.waitstatus_to_exitcode(status):
    raise SystemExit(f'launch.py {" ".join(words)}: failed')
  return usage.ru_maxrss * (1 if sys.platform == 'darwin' else 1024)


def table(found: dict[str, dict[str, float]]) -> str:
  """The comparisons in Markdown."""
  lines = [
    '| config | memory, forecast | measured | error | time a step, forecast | measured | error |',
    '|---|---|---|---|---|---|---|',
  ]
  for path, one in found.items():
    memory = f'{one["forecast_bytes"] / 1e6:,.0f} MB | {one["measured_bytes"] / 1e6:,.0f} MB'
    time = f'{one["forecast_seconds"] * 1e3:,.0f} ms | {one["measured_seconds"] * 1e3:,.0f} ms'
    lines.append(
      f'| `{path}` | {memory} | {one["memory_error"]:+.1%} | {time} | {one["time_error"]:+.0%} |'
    )
  return '\n'.join(lines)


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))
