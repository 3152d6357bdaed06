"""`launch.py prepare`: flags and what they ask for."""

from absl import flags

from gan_jax.commands import common

FLAGS = flags.FLAGS
TEXT = 'Make a dataset of your own images, or fetch one by name.'
EXAMPLE = 'launch.py prepare --source=photos.zip --name=photos --resolution=64 --labels=folders'

_OF_A_SOURCE = (
  *('name', 'resolution', 'size', 'fit', 'channels', 'labels', 'label', 'name_column', 'group'),
  *('split', 'window', 'axis', 'slices', 'percentiles', 'bits', 'follow_links', 'licence'),
  *('description', 'not_for', 'strict', 'overwrite'),
)


def define() -> None:
  """Defines the flags."""
  text = lambda name, default, help: flags.DEFINE_string(name, default, help)
  text('dataset', None, 'A dataset that gan_jax or TFDS knows by name, such as characters.')
  common.define_path(
    'source',
    None,
    'Your images: a folder, .zip, .tar, .npy, .npz, .parquet, DICOM or NIfTI, or tfds:NAME; '
    'gan_jax/data/README.md has an example of each layout.',
  )
  text('name', None, 'Of the dataset made of --source: lower-case letters, digits, _.')
  common.define_path(
    'data_dir', '', 'Where datasets are put; default: $TFDS_DATA_DIR or ~/tensorflow_datasets.'
  )
  flags.DEFINE_integer('resolution', None, 'Side of the square that images are brought to, pixels.')
  text('size', '', 'WIDTHxHEIGHT instead, such as 96x64. Neither: as the images are.')
  text('fit', 'crop', 'crop: the largest centred part; pad: the whole, on black; stretch.')
  text('channels', 'auto', 'grey, grey16, rgb, rgba; auto: what holds all images.')
  text(
    'labels',
    '',
    'folders: the class is the folder; or a .csv, .tsv, .json, .jsonl, .txt (CelebA) or .parquet, '
    'in --source or not.',
  )
  text(
    'label',
    '',
    'Column of the class in that file or in a .parquet; default: label, class, or the only one.',
  )
  text('name_column', '', "Column of the images' names there; default: file, path, image, ...")
  text('group', '', 'Column or regular expression over names: what no split may part.')
  text('split', '', 'Shares, such as train:0.8,test:0.2; default: as in --source, or 0.9 and 0.1.')
  text('window', '', 'CENTRE,WIDTH: DICOM (default: as each file says), signed values and floats.')
  text('axis', 'axial', 'NIfTI: slices that are sagittal, coronal or axial.')
  text('slices', '', 'NIfTI: FIRST:END along that axis; default: all that are not empty.')
  text('percentiles', '', 'NIfTI: shown as black and white; default: 0.5,99.5.')
  flags.DEFINE_integer('bits', 16, 'Grey images of 16 bits: how many of them are used, such as 12.')
  common.define_follow_links()
  text('licence', '', 'Of the images, for the metadata.')
  text('description', '', 'Of the images, for the metadata.')
  text('not_for', '', 'What the images, and models of them, may not be used for; goes with them.')
  flags.DEFINE_bool('strict', False, 'Make nothing where one file is refused.')
  flags.DEFINE_bool('overwrite', False, 'Replace a dataset of that name once the new one is whole.')


def run() -> None:
  """Runs the command.

  Raises:
    UserError: for flags that cannot be used.
  """
  from gan_jax import progress
  from gan_jax.data import by_name, limits
  from gan_jax.data.ingest import options, prepare
  from gan_jax.errors import UserError
  from gan_jax.text import say

  if bool(FLAGS.dataset) == bool(FLAGS.source):
    raise UserError('--dataset=NAME or --source=... with --name=...: give one of them')
  if FLAGS.dataset:
    common.refuse_beside('dataset', _OF_A_SOURCE)
    progress.show_dataset(by_name.open_builder(FLAGS.dataset, FLAGS.data_dir), FLAGS.data_dir)
    return
  if not FLAGS.name:
    raise UserError(f'--source={FLAGS.source}: needs --name=..., what the dataset will be called')
  asked = options.Options(
    source=FLAGS.source,
    name=FLAGS.name,
    data_dir=by_name.data_folder(FLAGS.data_dir),
    size=options.size(FLAGS.resolution, FLAGS.size),
    fit=options.check_fit(FLAGS.fit),
    kind=options.kind(FLAGS.channels),
    split=options.shares(FLAGS.split),
    medical=options.medical(FLAGS.window, FLAGS.axis, FLAGS.slices, FLAGS.percentiles, FLAGS.bits),
    labels=FLAGS.labels,
    label=FLAGS.label,
    name_column=FLAGS.name_column,
    group=FLAGS.group,
    licence=FLAGS.licence,
    description=FLAGS.description,
    not_for=FLAGS.not_for,
    strict=FLAGS.strict,
    overwrite=FLAGS.overwrite,
    follow_links=FLAGS.follow_links,
  )
  with progress.counting('preparing', 'files') as report:
    prepared = prepare.prepare(asked, by_name.open_builder, report)
  if line := limits.first_line(prepared.report):
    say(line)
  progress.show_preparation(asked.name, prepared.folder, prepared.report, FLAGS.data_dir)
