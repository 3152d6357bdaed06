"""`launch.py forecast`: flags and what they ask for."""

from typing import TYPE_CHECKING

from absl import flags

from gan_jax.commands import common

if TYPE_CHECKING:
  from gan_jax.forecast.costs import Images
  from gan_jax.forecast.result import Options

FLAGS = flags.FLAGS
TEXT = 'Say what a run will cost, before it starts: memory, time, energy, disk.'
EXAMPLE = 'launch.py forecast --config=configs/digits.py --devices=cpu'


def define() -> None:
  """Defines the flags."""
  common.define_config()
  flags.DEFINE_list(
    'devices',
    ['cpu'],
    'What it would run on, several with commas: cpu, cpu:N, tpu:KIND:TOPOLOGY such as tpu:v5e:2x2 '
    'or tpu:v4:2x2x1, gpu:KIND:N such as gpu:h100:8.',
  )
  flags.DEFINE_list(
    'batch_sizes', [], "Images of an update, over all devices; default: the config's own."
  )
  flags.DEFINE_float(
    'efficiency',
    None,
    'Share of the bound by operations or bytes that such programs were measured to reach on such a '
    'device; default: the bound itself is given, as the least time.',
  )
  flags.DEFINE_float(
    'effort',
    0.0,
    'Of the compiler for TPUs, -1 to 1. 0: as a run has it; -1 compiles several times as fast, to '
    'a program that may need more.',
  )
  flags.DEFINE_integer(
    'channels', None, "Of the images; default: those of the config's dataset.", lower_bound=1
  )
  flags.DEFINE_integer(
    'classes', None, 'Of the dataset, with --channels; default: 0.', lower_bound=0
  )
  common.define_paths(
    'table', 'Config files, with commas: a Markdown table of them all, instead of --config.'
  )
  common.define_path(
    'json', None, 'File for the same as JSON; with --table, what is there is not made again.'
  )


def run() -> None:
  """Runs the command.

  Raises:
    UserError: for flags that cannot be used.
  """
  import jax

  jax.config.update('jax_platforms', 'cpu')  # of the devices that it is about, none is needed
  from gan_jax import estimate
  from gan_jax.forecast.result import Options
  from gan_jax.text import say

  _check_images()
  if FLAGS.json:
    estimate.check_writable(FLAGS.json)
  options = Options(FLAGS.effort, FLAGS.efficiency, say)
  if FLAGS.table:
    _table(options)
    return
  _, config = common.config()
  images = _images(config.model.conditional) or estimate.images_of(config)
  found = estimate.estimate(config, images, FLAGS.devices, _batch_sizes(), options)
  data = estimate.dataset_bytes(config)
  estimate.show(found, data)
  if FLAGS.json:
    estimate.write(FLAGS.json, estimate.as_json(found, data))
    say(f'written: {FLAGS.json}')


def _table(options: 'Options') -> None:
  from gan_jax import estimate

  common.refuse_beside('table', ('config', 'batch_sizes'))
  configs = {path: estimate.config_of(path) for path in FLAGS.table}
  given = _images(any(config.model.conditional for config in configs.values()))
  images = lambda _, config: given or estimate.images_of(config)
  print(estimate.table(configs, images, FLAGS.devices, options, FLAGS.json))


def _check_images() -> None:
  from gan_jax.errors import UserError

  if FLAGS.classes is not None and FLAGS.channels is None:
    raise UserError('--classes: goes with --channels')


def _images(conditional: bool) -> 'Images | None':
  """What the flags say of the images; None: nothing."""
  from gan_jax.errors import UserError
  from gan_jax.forecast.costs import Images

  if FLAGS.channels is None:
    return None
  if conditional and not FLAGS.classes:
    raise UserError('config.model.conditional=True: needs --classes, how many there are')
  return Images(FLAGS.channels, FLAGS.classes or 0)


def _batch_sizes() -> list[int]:
  from gan_jax.errors import UserError

  for text in FLAGS.batch_sizes:
    if not text.strip().isdecimal() or int(text) < 1:
      raise UserError(f'--batch_sizes={text}: accepted: positive whole numbers, with commas')
  return [int(text) for text in FLAGS.batch_sizes]
