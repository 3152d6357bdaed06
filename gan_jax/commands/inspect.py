"""`launch.py inspect`: flags and what they ask for."""

from typing import Any

from absl import flags

from gan_jax.commands import common

FLAGS = flags.FLAGS
TEXT = 'Look at a dataset before training: counts, balance, copies, what cannot be read.'
EXAMPLE = 'launch.py inspect --dataset=photos --out=photos.html'


def define() -> None:
  """Defines the flags."""
  common.define_config()
  flags.DEFINE_string('dataset', None, 'A dataset by name, instead of --config.')
  common.define_path(
    'source',
    None,
    'Your own images before `prepare`, likewise: a folder, .zip, .tar, .npy, .parquet, ...',
  )
  common.define_follow_links()
  common.define_path('data_dir', '', 'Where it is, with --dataset.')
  flags.DEFINE_list('splits', None, 'Splits to look at; default: all.')
  flags.DEFINE_integer('limit', None, 'Images of each split, evenly spread; default: all.')
  common.define_path('out', None, 'FILE.html or FILE.png for what is to be seen.')


def run() -> None:
  """Runs the command.

  Raises:
    UserError: for flags that cannot be used.
  """
  from gan_jax import progress
  from gan_jax.data import by_name
  from gan_jax.data.inspection import inspect, report, unprepared
  from gan_jax.errors import UserError

  if FLAGS.limit is not None and FLAGS.limit < 1:
    raise UserError(f'--limit={FLAGS.limit}: must be positive')
  if FLAGS.out:
    report.check(FLAGS.out)
  splits = FLAGS.splits
  builder: Any
  if FLAGS.source:
    common.refuse_beside('source', ('config', 'dataset', 'data_dir', 'splits'))
    builder = unprepared.Unprepared(FLAGS.source, by_name.open_builder, FLAGS.follow_links)
  elif FLAGS.dataset:
    common.refuse_beside('dataset', ('config', 'follow_links'))
    builder = by_name.open_builder(FLAGS.dataset, FLAGS.data_dir)
  else:
    _, config = common.config()
    common.refuse_beside('config', ('data_dir', 'follow_links'))
    builder = by_name.open_builder(config.dataset.name, config.dataset.data_dir)
    used = [config.dataset.split, config.dataset.holdout_split]
    splits = splits or (used if set(used) <= set(builder.info.splits) else None)
  with progress.counting('looking', 'images') as count:
    found = inspect.inspect(builder, splits, count, FLAGS.limit)
  report.show(found)
  if FLAGS.out:
    report.write(found, FLAGS.out)
    print(f'to be seen in {FLAGS.out}')
