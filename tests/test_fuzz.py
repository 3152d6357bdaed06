"""Configs and command lines that nobody meant: a line names what is wrong, and nothing is left.

GAN_JAX_FUZZ=1000 tries a thousand of each, which take some ten minutes.
"""

import os
import pathlib
import re
import shutil
import tempfile

import hypothesis
import jax
import pytest
from absl import flags
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir

from configs import smoke
from gan_jax import bench, train, tune
from gan_jax.commands import COMMANDS
from gan_jax.errors import Preempted
from gan_jax.runtime.programs import Program
from gan_jax.workdir import config_file, record
from tests import command_line

set_hypothesis_home_dir(os.path.join(tempfile.gettempdir(), 'hypothesis'))  # not beside the code
MANY = hypothesis.settings(
  max_examples=int(os.environ.get('GAN_JAX_FUZZ', '15')),
  deadline=None,
  database=None,
  derandomize=True,
  suppress_health_check=list(hypothesis.HealthCheck),
  report_multiple_bugs=True,
)
ROOT = pathlib.Path(__file__).parent.parent
SMOKE = f'--config={ROOT}/configs/smoke.py'
FLAGS = flags.FLAGS

KEYS = sorted(set(config_file.flat(record.as_json(smoke.get_config()))) - {'dataset.data_dir'})
NUMBERS = [
  '-1',
  '0',
  '1',
  '2',
  '3',
  '16',
  '31',
  '2147483648',
  '9' * 30,
  '-0.5',
  '0.5',
  '1.5',
  '1e-300',
]
NUMBERS += ['1e300', '1e999', 'nan', '-inf', '0x10', '1_000', '١']
WORDS = ['', ' ', 'x', 'None', 'True', 'false', 'dcgan', 'stylegan2', 'projected', 'hinge', 'r1']
WORDS += ['diffaugment', 'digits', 'train[', 'train[:1%]', 'uniform', 'fd', 'classifier', 'pixels']
WORDS += [
  '../x',
  '/nowhere/x.py',
  '~',
  'a' * 300,
  '☃',
  'e\u0301',
  "'",
  '"',
  '%s',
  '{}',
  '$HOME',
  '\x1b[2J',
]
WORDS += [
  '()',
  '(1, 2)',
  '[1',
  '1,2',
  'r1,r2',
  ',',
  '=',
  '--',
  '-',
  '\n',
  'a\nb',
  '.py',
  'x.png',
  '__import__',
]
VALUES = st.one_of(
  st.sampled_from(NUMBERS),
  st.sampled_from(WORDS),
  st.integers(-(2**70), 2**70).map(str),
  st.floats().map(repr),
  st.text(st.characters(exclude_characters='\0', codec='utf-8'), max_size=12),
)


@pytest.fixture(scope='module', autouse=True)
def nothing_is_run(data_dir, digits, tmp_path_factory):
  """Up to the first step everything is as it is; networks are traced, and not compiled."""
  patch = pytest.MonkeyPatch()
  patch.setattr(Program, 'compiled', lambda self, *inputs: jax.eval_shape(self._function, *inputs))
  patch.setattr(Program, '__call__', lambda self, *inputs: accepted())
  patch.setattr(train, 'Run', accepted)
  patch.setattr(bench, 'bench', accepted)
  patch.setattr(tune, 'tune', accepted)
  patch.chdir(tmp_path_factory.mktemp('here'))
  yield
  patch.undo()


def accepted(*_, **__):
  raise Preempted('accepted')


def call(*arguments):
  """The exit code of a command line and what it says, in a process that has done others before."""
  said = command_line.call(*arguments)
  return said.code, said.err


def check(code, said, arguments):
  """What is refused is one line that names a flag, a key or a file, and leaves nothing."""
  assert code in (0, 2, 75), (code, said)
  if code == 2:
    (line,) = said.strip().splitlines()
    assert line.startswith('launch.py: ')
    assert re.search(
      r'--\w+|config\.\w+|config key|line flag|unexpected argument|unknown command', line
    ), line
    assert line.isprintable(), line
  left = [path for path in pathlib.Path().iterdir()]
  for path in left:  # what was asked for, by a command line that is right
    shutil.rmtree(path) if path.is_dir() else path.unlink()
  assert code == 0 or not left, (left, said)


@MANY
@hypothesis.given(st.dictionaries(st.sampled_from(KEYS), VALUES, min_size=1, max_size=3))
def test_any_values_of_keys(changes):
  arguments = [f'--config.{key}={value}' for key, value in changes.items()]
  check(*call('train', SMOKE, '--workdir=runs/x', *arguments), arguments)


def flags_of(command):
  known = set(FLAGS)
  COMMANDS[command].define()
  found = sorted(set(FLAGS) - known - {'config', 'flagfile'})
  for name in set(FLAGS) - known:
    delattr(FLAGS, name)
  return found


# What really downloads, and what has a data set made or measured, is not for here.
OWN = {name: [f for f in flags_of(name) if f not in ('dataset', 'processes')] for name in COMMANDS}


@st.composite
def command_lines(draw):
  command = draw(st.sampled_from([*sorted(OWN), 'trian', '']))
  own = OWN.get(command, ['workdir'])
  given = draw(st.lists(st.tuples(st.sampled_from(own), VALUES), max_size=4))
  words = [f'--{name}={value}' for name, value in given]
  if draw(st.booleans()):
    words.append(SMOKE)
  words += draw(
    st.lists(st.sampled_from(['--nothing', '--workdir', 'x', '--', '--no', '-x', '']), max_size=1)
  )
  return [command, *draw(st.permutations(words))]


@MANY
@hypothesis.given(command_lines())
def test_any_command_lines(arguments):
  check(*call(*arguments), arguments)
