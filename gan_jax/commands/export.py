"""`launch.py export`: flags and what they ask for."""

from absl import flags

from gan_jax.commands import common

FLAGS = flags.FLAGS
TEXT = 'Write a trained generator as a folder to hand on: weights, program, model card, samples.'
EXAMPLE = 'launch.py export --workdir=runs/digits --out=digits_gan'


def define() -> None:
  """Defines the flags."""
  common.define_path('workdir', None, 'Folder of the run.', required=True)
  common.define_path('out', None, 'Folder to write, which is not there yet.', required=True)
  flags.DEFINE_integer(
    'step', None, 'Checkpoint by its step, or by the images shown; default: the newest.'
  )
  flags.DEFINE_string('licence', '', 'Of the weights, as Hugging Face names it: mit, cc-by-4.0, …')
  flags.DEFINE_bool('onnx', False, 'Write the generator as an ONNX model, too: generator.onnx.')
  flags.DEFINE_bool(
    'page',
    False,
    'Write a page that draws in a browser, from a disk, without a server, too: page.html, and '
    'generator.onnx. Needs --runtime.',
  )
  common.define_path(
    'runtime', '', 'What the page draws by: the archive of `npm pack onnxruntime-web`, or a folder.'
  )


def run() -> None:
  """Runs the command.

  Raises:
    UserError: for flags that cannot be used.
  """
  from gan_jax import export
  from gan_jax.text import command, say

  export.export(
    FLAGS.workdir, FLAGS.out, FLAGS.step, FLAGS.licence, FLAGS.onnx, FLAGS.page, FLAGS.runtime
  )
  say(f'written  {FLAGS.out}, with a model card in {FLAGS.out}/README.md')
  if FLAGS.page:
    say(f'page     {FLAGS.out}/page.html: opens in a browser by a double click')
  start = f'--config.init.from={FLAGS.out}'
  say(f'next     gan_jax.open({FLAGS.out!r}) in Python; {command("launch.py", "train", start)} …')
