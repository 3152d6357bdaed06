"""`launch.py describe`: flags and what they ask for."""

from absl import flags

from gan_jax.commands import common

FLAGS = flags.FLAGS
TEXT = 'Show both networks of a config: layers, shapes, weights, operations. Makes neither.'
EXAMPLE = 'launch.py describe --config=configs/published/stylegan2_paper1024.py --channels=3'


def define() -> None:
  """Defines the flags."""
  common.define_config()
  flags.DEFINE_integer(
    'channels', None, "Of the images; default: those of the config's dataset.", lower_bound=1
  )
  flags.DEFINE_integer(
    'classes', None, 'Of the dataset, with --channels; default: 0.', lower_bound=0
  )
  flags.DEFINE_integer(
    'depth', 2, 'Layers within layers that are shown, 0: the networks alone.', lower_bound=0
  )
  common.define_path('json', None, 'File for the same as JSON.')


def run() -> None:
  """Runs the command.

  Raises:
    UserError: for flags that cannot be used.
  """
  from gan_jax import describe
  from gan_jax.errors import UserError
  from gan_jax.text import say

  _, config = common.config()
  if FLAGS.classes is not None and FLAGS.channels is None:
    raise UserError('--classes: goes with --channels')
  if FLAGS.channels is None:
    channels, classes = describe.channels_and_classes(config)
  else:
    channels, classes = FLAGS.channels, FLAGS.classes or 0
    if config.model.conditional and not classes:
      raise UserError('config.model.conditional=True: needs --classes, how many there are')
  found = describe.describe(config, channels, classes)
  describe.show(found, FLAGS.depth)
  if FLAGS.json:
    describe.write(found, FLAGS.json)
    say(f'written: {FLAGS.json}')
