"""The shape of the project: imports run one way, and every name in a config has its module."""

import ast
import fnmatch
import functools
import importlib
import pathlib

import pytest

from configs import default
from gan_jax import build, registry
from gan_jax.commands import COMMANDS
from gan_jax.errors import UserError

ROOT = pathlib.Path(__file__).parent.parent
CONFIGS = sorted(
  '.'.join(path.relative_to(ROOT).with_suffix('').parts)
  for path in (ROOT / 'configs').rglob('*.py')
  if path.parent.name != 'ablations' and path.name != 'recorded.py'
)
GROUND = {'errors', 'registry', 'pages', 'progress', 'runtime', 'text', 'workdir'}
# From the top down: a room imports rooms below its own line, and the ground.
FLOORS = [
  {'commands'},
  {'tune', 'ablate', 'report', 'reproduce'},
  {
    'train',
    'evaluate',
    'evaluate_folders',
    'sample',
    'interpolate',
    'project',
    'edit',
    'explore',
    'bench',
    'describe',
    'estimate',
    'runs',
    'submit',
    'export',
    'export_set',
  },
  {'audit'},
  {'exploring'},
  {'loop', 'opening', 'references'},
  {'ablation'},
  {'executors'},
  {'forecast'},
  {'build'},
  {'share'},
  {'monitoring', 'tuning'},
  {'evaluation'},
  {'metrics', 'sampling'},
  {'latents'},
  {'features'},
  {'data'},
  {'training'},
  {'models'},
  {'pretrained'},
  {'ops'},
]
# What the ground itself stands on.
BENEATH = {
  'errors': {'text'},
  'pages': set(),
  'progress': {'text'},
  'registry': {'errors'},
  'runtime': {'errors'},
  'text': set(),
  'workdir': {'errors', 'runtime'},
}


@functools.cache
def tree(path):
  """The syntax of a file, read once for all that look at it."""
  return ast.parse(path.read_text(encoding='utf-8'))


def ours(path):
  """Names of the rooms of gan_jax that a file imports."""
  found = set()
  for node in ast.walk(tree(path)):
    if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith('gan_jax'):
      parts = node.module.split('.')
      found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
    elif isinstance(node, ast.Import):
      found |= {a.name.split('.')[1] for a in node.names if a.name.startswith('gan_jax.')}
  return found


def rooms():
  """Every folder and file at the top of the package, with its files."""
  top = ROOT / 'gan_jax'
  return {
    path.stem: sorted(path.rglob('*.py')) if path.is_dir() else [path]
    for path in top.iterdir()
    if path.name not in ('__init__.py', '__pycache__', 'LICENSE')
  }


def test_imports_run_downwards():
  accepted = {name: beneath | {name} for name, beneath in BENEATH.items()}
  for level, floor in enumerate(FLOORS):
    below = set().union(*FLOORS[level + 1 :])
    accepted |= {name: below | GROUND | {name} for name in floor}
  assert set(rooms()) == set(accepted)
  for room, files in rooms().items():
    for path in files:
      assert ours(path) <= accepted[room], path


def test_only_parallel_knows_of_pmap():
  for path in (ROOT / 'gan_jax').rglob('*.py'):
    calls = [n.attr for n in ast.walk(tree(path)) if isinstance(n, ast.Attribute)]
    assert 'pmap' not in calls or path.name == 'parallel.py', path


def calls():
  """Every call within gan_jax: where it is, the call, and its arguments by their names."""
  for path in (ROOT / 'gan_jax').rglob('*.py'):
    for node in ast.walk(tree(path)):
      if isinstance(node, ast.Call):
        yield f'{path}:{node.lineno}', node, {word.arg: word.value for word in node.keywords}


def test_text_is_of_one_encoding_whatever_the_machine_has():
  """Else a file that is written on one machine says something else, or nothing, on another."""
  for where, call, named in calls():
    if 'encoding' in named:
      continue
    if isinstance(call.func, ast.Name) and call.func.id == 'open':
      mode = call.args[1] if len(call.args) > 1 else named.get('mode')
      assert 'b' in getattr(mode, 'value', ''), where
    elif isinstance(call.func, ast.Attribute):
      assert call.func.attr != 'write_text', where
      # That of a package's metadata is told a file's name.
      assert call.func.attr != 'read_text' or call.args, where


def test_tables_end_their_lines_as_all_other_text_does():
  for where, call, named in calls():
    if ast.unparse(call.func) in ('csv.writer', 'csv.DictWriter'):
      assert getattr(named.get('lineterminator'), 'value', None) == '\n', where


def test_a_command_that_asks_which_host_is_the_first_joins_the_others():
  # Of processes that have not joined, each is the first, and writes what one is to write.
  for name, command in COMMANDS.items():
    asks = 'from gan_jax.runtime import hosts' in pathlib.Path(command.__file__).read_text()
    assert getattr(command, 'SEVERAL_HOSTS', False) == asks, name


def test_the_visible_top_level_is_what_was_agreed():
  agreed = {'README.md', 'requirements.txt', 'gan_jax', 'configs', 'tests', 'launch.py'}
  made_by_use = {'runs'}
  visible = {path.name for path in ROOT.iterdir() if not path.name.startswith(('.', '__'))}
  assert visible - made_by_use == agreed


@pytest.mark.parametrize('name', CONFIGS)
def test_every_name_in_every_config_is_there_and_its_networks_can_be_made(name):
  config = importlib.import_module(name).get_config()
  config.train.batch_size = -(-config.train.batch_size // 8) * 8  # eight devices here
  build.check(config)
  parts = build.networks(config, channels=1, num_classes=10)
  assert parts.generator.resolution == (config.dataset.resolution,) * 2
  build.train_step(config, parts)


@pytest.mark.parametrize('name', CONFIGS)
def test_every_config_has_the_keys_of_the_default_and_no_others(name):
  config = importlib.import_module(name).get_config()
  assert _flat(config.to_dict()) == _flat(default.get_config().to_dict())


def _flat(tree, prefix=''):
  names = set()
  for key, value in tree.items():
    names |= _flat(value, f'{prefix}{key}.') if isinstance(value, dict) else {prefix + key}
  return names


def test_every_architecture_setting_reaches_its_network():
  """A key of a model's section is a field of its generator or discriminator, and is passed on."""
  for name in registry.names('models'):
    config = default.get_config()
    whole = hasattr(registry.find('models', name, '', ('Discriminator',)), 'Generator')
    config.model['name' if whole else 'discriminator'] = name
    parts = build.networks(config, 1, 0)
    for key, value in config[name].items():
      holders = [p for p in (parts.generator, parts.discriminator) if hasattr(p, key)]
      assert holders, f'{name}.{key}'
      assert all(getattr(holder, key) == value for holder in holders)


def test_a_setting_that_a_model_does_not_have_is_refused():
  config = default.get_config()
  with config.unlocked():
    config.dcgan.widht = 3
  with pytest.raises(UserError, match=r"config\.dcgan\.widht: .*did you mean 'width'"):
    build.networks(config, 1, 0)


def test_no_room_of_tests_is_passed_over(pytestconfig):
  # As pytest comes it leaves out folders of the name `build`.
  left_out = pytestconfig.getini('norecursedirs')
  rooms = {path.parent.name for path in (ROOT / 'tests').rglob('test_*.py')}
  assert not [name for name in rooms for rule in left_out if fnmatch.fnmatch(name, rule)]
