"""`launch.py evaluate`: flags and what they ask for."""

import os

from absl import flags

from gan_jax.commands import common

FLAGS = flags.FLAGS
SEVERAL_HOSTS = True
TEXT = 'Score runs, or folders of images, against real images.'
EXAMPLE = 'launch.py evaluate --workdir=runs/digits --all --metrics=all'


def define() -> None:
  """Defines the flags."""
  common.define_paths(
    'workdir',
    'Folder of the run, exported folder or published file; several, separated by commas.',
  )
  flags.DEFINE_integer(
    'step', None, 'Checkpoint by its step, or by the images shown; default: the newest.'
  )
  flags.DEFINE_bool('all', False, 'All checkpoints: curves, and which of them is best.')
  common.define_paths(
    'images',
    'Instead of a run: a folder, .zip, .tar, .npy, .npz or .parquet of images; or several.',
  )
  common.define_path('data_dir', '', 'Where the datasets of runs are, if they were moved.')
  common.define_path(
    'reference',
    '',
    'The real images: with --images, or of a generator instead of those that it was trained on.',
  )
  common.define_path(
    'held_out',
    '',
    'With --reference: other real images, scored beside; default: a part of the others.',
  )
  flags.DEFINE_string('labels', '', 'With --reference: folders, where the class is the folder.')
  common.define_follow_links()
  flags.DEFINE_list('metrics', None, 'Such as fd,kid,precision_recall; all: what can be given.')
  flags.DEFINE_list('features', None, 'Such as classifier,efficientnet_lite0,inception_v3.')
  flags.DEFINE_list('weights', [], 'NETWORK=FILE: weights of a network that comes with none.')
  flags.DEFINE_string(
    'resize', None, 'How images are brought to the size of a network: antialias or legacy.'
  )
  flags.DEFINE_integer('num_samples', None, 'Images scored; default: as the config says, or all.')
  flags.DEFINE_integer('num_reals', None, 'Real images that they are compared with, at most.')
  flags.DEFINE_integer('repeats', 1, 'Sampling seeds, each scored.')
  flags.DEFINE_string('best', None, 'Score that says which is best, such as fd_classifier.')
  flags.DEFINE_bool(
    'allow_different_n', False, 'Put scores of different numbers of images into one table.'
  )
  flags.DEFINE_bool(
    'allow_trained_features',
    False,
    'Score by features that a run was trained on; `_trained` in their names says so.',
  )
  flags.DEFINE_bool(
    'tenths',
    False,
    'Also pictures of the best, the middle and the worst tenth, by nearness to real images.',
  )
  common.define_path(
    'out',
    None,
    'Folder for scores.json, .csv and .png; default: evaluation in the (first) run.',
  )
  common.define_processes()


def run() -> None:
  """Runs the command.

  Raises:
    UserError: for flags that cannot be used.
  """
  from gan_jax import build, evaluate, evaluate_folders, progress
  from gan_jax.errors import UserError
  from gan_jax.evaluation import options as options_of
  from gan_jax.evaluation import report, sheets
  from gan_jax.runtime import hosts
  from gan_jax.text import say
  from gan_jax.workdir import record

  if bool(FLAGS.workdir) == bool(FLAGS.images):
    raise UserError('--workdir=RUN, or --images=FOLDER with --reference=FOLDER: give one of them')
  out = FLAGS.out
  if FLAGS.images:
    common.refuse_beside('images', ('step', 'all', 'repeats', 'data_dir'))
    if not FLAGS.reference:
      raise UserError('--images: needs --reference=FOLDER, the real images')
  elif FLAGS.reference:
    common.refuse_beside('reference', ('all', 'data_dir'))
  else:
    common.refuse_beside('workdir', ('held_out', 'labels', 'follow_links'))
    if FLAGS.all:
      common.refuse_beside('all', ('step',))
  if FLAGS.labels not in ('', 'folders'):
    raise UserError(f'--labels={FLAGS.labels}: accepted: folders')
  options = options_of.Options(
    metrics=FLAGS.metrics and tuple(FLAGS.metrics),
    features=FLAGS.features and tuple(FLAGS.features),
    num_samples=FLAGS.num_samples,
    num_reals=FLAGS.num_reals,
    resize=FLAGS.resize,
    weights=_weights(FLAGS.weights),
    repeats=FLAGS.repeats,
    best=FLAGS.best,
    allow_different_n=FLAGS.allow_different_n,
    allow_trained_features=FLAGS.allow_trained_features,
    data_dir=FLAGS.data_dir,
    tenths=FLAGS.tenths,
  )
  options_of.check(options)
  if FLAGS.processes > 1:
    common.run_as_processes(common.words_without({'processes'}))
    return
  runs = [workdir for workdir in FLAGS.workdir or () if build.is_run(workdir)]
  for workdir in runs:
    record.load_config(workdir)  # says where there is no run, before a folder is made
  if not out and not FLAGS.reference and FLAGS.workdir and FLAGS.workdir[0] in runs:
    out = os.path.join(FLAGS.workdir[0], 'evaluation')
  if options.tenths and not out:
    raise UserError('--tenths: needs --out=FOLDER, to be written to')
  if out:
    hosts.on_first(lambda: report.check(out))
  with progress.stages('images', shown=hosts.is_first()) as watch:
    folders = FLAGS.labels == 'folders'
    real = FLAGS.reference, FLAGS.held_out, folders
    if FLAGS.images:
      found = evaluate_folders.evaluate_folders(
        FLAGS.images, *real, options, watch, FLAGS.follow_links
      )
    elif FLAGS.reference:
      found = evaluate_folders.evaluate_against(
        FLAGS.workdir, *real, FLAGS.step, options, watch, FLAGS.follow_links
      )
    else:
      found = evaluate.evaluate_runs(FLAGS.workdir, FLAGS.step, FLAGS.all, options, watch)
  if not hosts.is_first():
    return
  report.show(found)
  if out:
    report.write(found, out)
    names = [*report.FILES, *[sheets.FOLDER] * options.tenths]
    say('written: ' + ', '.join(os.path.join(out, name) for name in names))


def _weights(pairs: list[str]) -> dict[str, str]:
  """Reads NETWORK=FILE."""
  for pair in pairs:
    if '=' not in pair:
      raise flags.IllegalFlagValueError(f'--weights={pair}: accepted: NETWORK=FILE')
  return dict(pair.split('=', 1) for pair in pairs)
