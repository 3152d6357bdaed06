"""Commands of gan_jax: prepare, inspect, train, sample, evaluate, bench."""

import difflib
import logging
import os
import sys
from collections.abc import Callable

from absl import flags
from absl import logging as absl_logging
from ml_collections import ConfigDict, config_flags

FLAGS = flags.FLAGS


def _define_config() -> None:
  config_flags.DEFINE_config_file(
    'config',
    None,
    'Config file of the experiment. --config.KEY=VALUE overrides one key, as in '
    '--config.train.batch_size=128; configs/default.py lists them.',
    lock_config=True,
  )


def _define_train() -> None:
  _define_config()
  flags.DEFINE_string(
    'workdir', None, "Folder of the run's record; default: runs/<name of the config file>."
  )
  flags.DEFINE_bool(
    'allow_config_changes',
    False,
    'Continue the run in the workdir even if it began with other values or other data.',
  )


def _define_run() -> None:
  flags.DEFINE_string('workdir', None, 'Folder of the run.', required=True)
  flags.DEFINE_integer('step', None, 'Step of the checkpoint; default: the newest.')


def _define_sample() -> None:
  _define_run()
  flags.DEFINE_integer('count', 100, 'Number of images.')
  flags.DEFINE_string('classes', '', 'Classes to draw, as 0,1,2; default: all, in turn.')
  flags.DEFINE_integer('seed', 0, 'Of the latents: the same seed draws the same images.')
  flags.DEFINE_float(
    'truncation', 1.0, 'Factor on the latents: below 1, more typical images and less variety.'
  )
  flags.DEFINE_string(
    'out', None, 'FILE.png for a grid; else a folder of <index>_<class>.png.', required=True
  )


def _define_evaluate() -> None:
  flags.DEFINE_list('workdir', None, 'Folder of the run; several, separated by commas.')
  flags.DEFINE_integer('step', None, 'Step of the checkpoint; default: the newest.')
  flags.DEFINE_bool('all', False, 'All checkpoints: curves, and which of them is best.')
  flags.DEFINE_list(
    'images', None, 'Instead of a run: a folder, .zip, .tar, .npy or .npz of images; or several.'
  )
  flags.DEFINE_string('reference', '', 'With --images: the real images.')
  flags.DEFINE_string(
    'held_out', '', 'With --images: other real images for the floor; default: a part of the others.'
  )
  flags.DEFINE_string('labels', '', 'With --images: folders, where the class is the folder.')
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
  flags.DEFINE_string(
    'out',
    None,
    'Folder for scores.json, .csv and .png; default: evaluation in the (first) workdir.',
  )


def _define_bench() -> None:
  _define_config()
  flags.DEFINE_list(
    'parts', ['step', 'input', 'features'], 'What to measure, of step, input and features.'
  )
  flags.DEFINE_integer(
    'steps', 10, 'Timed steps, and passes of feature networks, of which the median is given.'
  )
  flags.DEFINE_bool('devices', False, 'Also the step over 1, 2, 4 and 8 simulated CPU devices.')
  flags.DEFINE_string('json', None, 'File to write the result to.')


def _define_prepare() -> None:
  text = lambda name, default, help: flags.DEFINE_string(name, default, help)
  text('dataset', None, 'A dataset that gan_jax or TFDS knows by name, such as characters.')
  text(
    'source', None, 'Your images: a folder, .zip, .tar, .npy, .npz, DICOM or NIfTI, or tfds:NAME.'
  )
  text('name', None, 'Of the dataset made of --source: lower-case letters, digits, _.')
  text('data_dir', '', 'Where datasets are put; default: $TFDS_DATA_DIR or ~/tensorflow_datasets.')
  flags.DEFINE_integer('resolution', None, 'Side of the square that images are brought to, pixels.')
  text('size', '', 'WIDTHxHEIGHT instead, such as 96x64. Neither: as the images are.')
  text('fit', 'crop', 'crop: the largest centred part; pad: the whole, on black; stretch.')
  text('channels', 'auto', 'grey, grey16, rgb, rgba; auto: what holds all images.')
  text(
    'labels', '', 'folders: the class is the folder; or a .csv, .tsv or .json, in --source or not.'
  )
  text('label', '', 'Column of the class in that file; default: label, class, or the only one.')
  text('group', '', 'Column or regular expression over names: what no split may part.')
  text('split', '', 'Shares, such as train:0.8,test:0.2; default: as in --source, or 0.9 and 0.1.')
  text('window', '', 'DICOM: CENTRE,WIDTH; default: as each file says.')
  text('axis', 'axial', 'NIfTI: slices that are sagittal, coronal or axial.')
  text('slices', '', 'NIfTI: FIRST:END along that axis; default: all that are not empty.')
  text('percentiles', '', 'NIfTI: shown as black and white; default: 0.5,99.5.')
  flags.DEFINE_integer('bits', 16, 'Grey images of 16 bits: how many of them are used, such as 12.')
  text('licence', '', 'Of the images, for the metadata.')
  text('description', '', 'Of the images, for the metadata.')
  flags.DEFINE_bool('strict', False, 'Make nothing where one file is refused.')
  flags.DEFINE_bool('overwrite', False, 'Replace a dataset of that name once the new one is whole.')


def _define_inspect() -> None:
  _define_config()
  flags.DEFINE_string('dataset', None, 'A dataset by name, instead of --config.')
  flags.DEFINE_string('data_dir', '', 'Where it is, with --dataset.')
  flags.DEFINE_list('splits', None, 'Splits to look at; default: all.')
  flags.DEFINE_integer('limit', None, 'Images of each split, evenly spread; default: all.')
  flags.DEFINE_string('out', None, 'FILE.html or FILE.png for what is to be seen.')


def _config() -> tuple[str, ConfigDict]:
  """The name of the config file, and the config."""
  config_file = FLAGS['config'].present and config_flags.get_config_filename(FLAGS['config'])
  if not config_file:
    raise flags.IllegalFlagValueError('--config: name a config file, such as configs/digits.py')
  config_path = config_file.split(':')[0]
  if not os.path.isfile(config_path):
    raise flags.IllegalFlagValueError(f'--config={config_path}: there is no such file')
  return os.path.splitext(os.path.basename(config_path))[0], FLAGS.config


_PREPARE_FLAGS = (
  *('name', 'resolution', 'size', 'fit', 'channels', 'labels', 'label', 'group', 'split', 'window'),
  *('axis', 'slices', 'percentiles', 'bits', 'licence', 'description', 'strict', 'overwrite'),
)


def _refuse_beside(flag: str, others: tuple[str, ...]) -> None:
  """Refuses flags that have no part in what another one asks for."""
  for other in others:
    if FLAGS[other].present:
      raise flags.IllegalFlagValueError(
        f'--{other}: has no part in --{flag}; leave one of them out'
      )


def _prepare() -> None:
  from gan_jax import progress
  from gan_jax.data import source
  from gan_jax.data.ingest import options, prepare
  from gan_jax.errors import UserError

  if bool(FLAGS.dataset) == bool(FLAGS.source):
    raise UserError('--dataset=NAME or --source=... with --name=...: give one of them')
  if FLAGS.dataset:
    _refuse_beside('dataset', _PREPARE_FLAGS)
    progress.show_dataset(source.open_builder(FLAGS.dataset, FLAGS.data_dir), FLAGS.data_dir)
    return
  if not FLAGS.name:
    raise UserError(f'--source={FLAGS.source}: needs --name=..., what the dataset will be called')
  asked = options.Options(
    source=FLAGS.source,
    name=FLAGS.name,
    data_dir=source.data_folder(FLAGS.data_dir),
    size=options.size(FLAGS.resolution, FLAGS.size),
    fit=options.check_fit(FLAGS.fit),
    kind=options.kind(FLAGS.channels),
    split=options.shares(FLAGS.split),
    medical=options.medical(FLAGS.window, FLAGS.axis, FLAGS.slices, FLAGS.percentiles, FLAGS.bits),
    labels=FLAGS.labels,
    label=FLAGS.label,
    group=FLAGS.group,
    licence=FLAGS.licence,
    description=FLAGS.description,
    strict=FLAGS.strict,
    overwrite=FLAGS.overwrite,
  )
  with progress.counting('preparing', 'files') as report:
    prepared = prepare.prepare(asked, source.open_builder, report)
  progress.show_preparation(asked.name, prepared.folder, prepared.report, FLAGS.data_dir)


def _inspect() -> None:
  from gan_jax import progress
  from gan_jax.data import source
  from gan_jax.data.inspection import inspect, report
  from gan_jax.errors import UserError

  if FLAGS.limit is not None and FLAGS.limit < 1:
    raise UserError(f'--limit={FLAGS.limit}: must be positive')
  if FLAGS.out:
    report.check(FLAGS.out)
  splits = FLAGS.splits
  if FLAGS.dataset:
    _refuse_beside('dataset', ('config',))
    builder = source.open_builder(FLAGS.dataset, FLAGS.data_dir)
  else:
    _, config = _config()
    _refuse_beside('config', ('data_dir',))
    builder = source.open_builder(config.dataset.name, config.dataset.data_dir)
    used = [config.dataset.split, config.dataset.holdout_split]
    splits = splits or (used if set(used) <= set(builder.info.splits) else None)
  with progress.counting('looking', 'images') as count:
    found = inspect.inspect(builder, splits, count, FLAGS.limit)
  report.show(found)
  if FLAGS.out:
    report.write(found, FLAGS.out)
    print(f'to be seen in {FLAGS.out}')


def _train() -> None:
  from gan_jax import progress, train

  name, config = _config()
  workdir = FLAGS.workdir or os.path.join('runs', name)
  scores = train.train(config, workdir, FLAGS.allow_config_changes)
  progress.show_run(workdir, scores)


def _bench() -> None:
  from gan_jax import bench

  _, config = _config()
  if FLAGS.json:
    bench.check_writable(FLAGS.json)
  parts = (*FLAGS.parts, *(['devices'] if FLAGS.devices else []))
  result = bench.bench(config, parts, FLAGS.steps)
  bench.show(result)
  if FLAGS.json:
    bench.write(FLAGS.json, result)


def _sample() -> None:
  from gan_jax import runs, sample

  run = runs.open_run(FLAGS.workdir, FLAGS.step)
  num_classes = run.generator.num_classes
  sample.write_samples(
    run.sampler(min(FLAGS.count, run.config.evaluate.batch_size)),
    run.variables,
    count=FLAGS.count,
    classes=sample.parse_classes(FLAGS.classes, num_classes),
    seed=FLAGS.seed,
    truncation=FLAGS.truncation,
    out=FLAGS.out,
  )
  print(f'{FLAGS.count} images of step {run.step} in {FLAGS.out}')


def _evaluate() -> None:
  from gan_jax import evaluate, parallel, progress, record
  from gan_jax.errors import UserError
  from gan_jax.evaluation import options as options_of
  from gan_jax.evaluation import report

  if bool(FLAGS.workdir) == bool(FLAGS.images):
    raise UserError('--workdir=RUN, or --images=FOLDER with --reference=FOLDER: give one of them')
  out = FLAGS.out or (os.path.join(FLAGS.workdir[0], 'evaluation') if FLAGS.workdir else None)
  if FLAGS.images:
    _refuse_beside('images', ('step', 'all', 'repeats'))
    if not FLAGS.reference:
      raise UserError('--images: needs --reference=FOLDER, the real images')
    if FLAGS.labels not in ('', 'folders'):
      raise UserError(f'--labels={FLAGS.labels}: accepted: folders')
  else:
    _refuse_beside('workdir', ('reference', 'held_out', 'labels'))
    if FLAGS.all:
      _refuse_beside('all', ('step',))
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
  )
  options_of.check(options)
  if out:
    for workdir in FLAGS.workdir or ():
      record.load_config(workdir)  # says where there is no run, before a folder is made
    report.check(out)
  with progress.stages('images') as watch:
    if FLAGS.images:
      folders = FLAGS.labels == 'folders'
      found = evaluate.evaluate_folders(
        FLAGS.images, FLAGS.reference, FLAGS.held_out, folders, options, watch
      )
    else:
      found = evaluate.evaluate_runs(FLAGS.workdir, FLAGS.step, FLAGS.all, options, watch)
  if not parallel.is_first_host():
    return
  report.show(found)
  if out:
    report.write(found, out)
    print('written: ' + ', '.join(os.path.join(out, name) for name in report.FILES))


def _weights(pairs: list[str]) -> dict[str, str]:
  """Reads NETWORK=FILE."""
  for pair in pairs:
    if '=' not in pair:
      raise flags.IllegalFlagValueError(f'--weights={pair}: accepted: NETWORK=FILE')
  return dict(pair.split('=', 1) for pair in pairs)


# Name: (what it does, its flags, its function, an example).
COMMANDS: dict[str, tuple[str, Callable[[], None], Callable[[], None], str]] = {
  'prepare': (
    'Make a dataset of your own images, or fetch one by name.',
    _define_prepare,
    _prepare,
    'launch.py prepare --source=photos.zip --name=photos --resolution=64 --labels=folders',
  ),
  'inspect': (
    'Look at a dataset before training: counts, balance, copies, what cannot be read.',
    _define_inspect,
    _inspect,
    'launch.py inspect --dataset=photos --out=photos.html',
  ),
  'train': (
    'Train a GAN, or go on with a run that was stopped.',
    _define_train,
    _train,
    'launch.py train --config=configs/digits.py --workdir=runs/digits',
  ),
  'sample': (
    'Draw images from a trained generator.',
    _define_sample,
    _sample,
    'launch.py sample --workdir=runs/digits --count=50 --classes=3,7 --out=digits.png',
  ),
  'evaluate': (
    'Score runs, or folders of images, against real images.',
    _define_evaluate,
    _evaluate,
    'launch.py evaluate --workdir=runs/digits --all --metrics=all',
  ),
  'bench': (
    'Measure what a config costs on this machine.',
    _define_bench,
    _bench,
    'launch.py bench --config=configs/bench/dcgan64.py --json=dcgan64.json',
  ),
}


def _overview() -> str:
  lines = ['gan_jax trains, samples and scores image GANs. Commands:', '']
  for name, (text, _, _, example) in COMMANDS.items():
    lines += [f'  {name:10}{text}', f'  {"":10}  {example}']
  return '\n'.join([*lines, '', 'launch.py COMMAND --help explains the flags of each.'])


def _command_help(name: str) -> str:
  text, _, _, example = COMMANDS[name]
  lines = [f'launch.py {name}: {text}', '', f'  {example}', '', 'Flags:']
  for flag in FLAGS.get_flags_for_module(sys.argv[0]) or FLAGS.get_key_flags_for_module(__name__):
    default = '' if flag.default in (None, '') else f' (default: {flag.default})'
    lines.append(f'  --{flag.name}: {flag.help}{default}')
  return '\n'.join(lines)


def main(argv: list[str]) -> int:
  """Runs a command; returns the exit code: 0 done, 1 failed, 2 bad input, 75 stopped and saved."""
  if len(argv) < 2 or argv[1] in ('help', '--help', '-h', '-help', '--helpfull'):
    print(_overview())
    return 0
  name = argv[1]
  if name not in COMMANDS:
    near = difflib.get_close_matches(name, COMMANDS, n=1)
    hint = f'did you mean {near[0]!r}? ' if near else ''
    return _stop(f'unknown command {name!r}: {hint}accepted: {", ".join(COMMANDS)}', 2)
  _, define, run, _ = COMMANDS[name]
  define()
  arguments = argv[2:]
  if any(a in ('--help', '-h', '-help', '--helpfull') for a in arguments):
    print(_command_help(name))
    return 0
  try:
    rest = FLAGS([f'launch.py {name}', *arguments])
  except (
    flags.Error,
    AttributeError,
    KeyError,
    TypeError,
    ValueError,
    OSError,
    ImportError,
  ) as error:
    return _stop(_plain(error), 2)
  if len(rest) > 1:
    return _stop(f'unexpected argument {rest[1]!r}; flags are written --name=value', 2)
  return _guarded(run)


def _guarded(run: Callable[[], None]) -> int:
  absl_logging.set_verbosity(absl_logging.ERROR)  # TFDS and Orbax warn of what is normal here
  logging.basicConfig(format='%(message)s')
  logging.getLogger('gan_jax').setLevel(logging.INFO)
  from gan_jax.errors import NonFiniteError, Preempted, UserError

  try:
    run()
  except (UserError, NonFiniteError, Preempted) as stop:
    return _stop(str(stop), stop.exit_code)
  except flags.Error as error:
    return _stop(str(error), 2)
  except KeyboardInterrupt:
    return _stop('interrupted', 130)
  return 0


def _plain(error: Exception) -> str:
  """The message of an error on one line; ml_collections quotes that of an unknown key."""
  text = str(error)
  if isinstance(error, KeyError | AttributeError) or text.startswith(("'", '"')):
    text = 'unknown config key ' + text.strip('\'"').replace("\\'", "'").replace('\\n', '; ')
  return ' '.join(text.split())


def _stop(message: str, code: int) -> int:
  print(f'launch.py: {message}', file=sys.stderr)
  return code


if __name__ == '__main__':
  sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
  from gan_jax import memory

  memory.restart_with_large_pages()
  try:
    status = main(sys.argv)
    sys.stdout.flush()
  except BrokenPipeError:  # whoever reads what is printed has seen enough, such as `head`
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to be flushed
    status = 0
  sys.exit(status)
