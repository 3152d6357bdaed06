"""`launch.py bench`: flags and what they ask for."""

from absl import flags

from gan_jax.commands import common

FLAGS = flags.FLAGS
TEXT = 'Measure what a config costs on this machine.'
EXAMPLE = 'launch.py bench --config=configs/bench/dcgan64.py --json=dcgan64.json'


def define() -> None:
  """Defines the flags."""
  common.define_config()
  flags.DEFINE_list(
    'parts', ['step', 'input', 'features'], 'What to measure, of step, input and features.'
  )
  flags.DEFINE_integer(
    'steps', 10, 'Timed steps, and passes of feature networks, of which the median is given.'
  )
  flags.DEFINE_bool('devices', False, 'Also the step over 1, 2, 4 and 8 simulated CPU devices.')
  common.define_path('json', None, 'File to write the result to.')


def run() -> None:
  """Runs the command.

  Raises:
    UserError: for flags that cannot be used.
  """
  from gan_jax import bench

  _, config = common.config()
  if FLAGS.json:
    bench.check_writable(FLAGS.json)
  parts = (*FLAGS.parts, *(['devices'] if FLAGS.devices else []))
  result = bench.bench(config, parts, FLAGS.steps)
  bench.show(result)
  if FLAGS.json:
    bench.write(FLAGS.json, result)
