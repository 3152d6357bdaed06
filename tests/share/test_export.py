"""An exported folder: taken back bit for bit, run without this package, refused where hostile."""

import json
import pathlib
import shutil
import subprocess
import sys

import huggingface_hub
import numpy as np
import pytest
import yaml

import gan_jax
from configs import smoke
from gan_jax import build, export
from gan_jax.data import limits
from gan_jax.data.datasets import digits
from gan_jax.errors import UserError
from gan_jax.share import card, folder, weights
from gan_jax.workdir import record
from tests.build.test_transfer import equal, saved, started

# Run where this package cannot be imported.
ELSEWHERE = """
import sys
sys.modules['gan_jax'] = None
import pathlib, numpy as np
from jax import export
from safetensors.numpy import load_file
here = pathlib.Path(sys.argv[1])
program = export.deserialize(bytearray((here / 'generator.stablehlo').read_bytes()))
given = np.load(sys.argv[2])
made = {}
for count in (1, 7):
  args = given['latents'][:count], given['labels'][:count], np.float32(given['truncation'])
  made[str(count)] = np.asarray(program.call(load_file(here / 'generator.safetensors'), *args))
np.savez(sys.argv[3], platforms=program.platforms, **made)
"""


@pytest.fixture(scope='module')
def exported(finished, tmp_path_factory):
  out = tmp_path_factory.mktemp('shared') / 'digits_gan'
  export.export(finished[0], str(out), licence='cc-by-4.0')
  return out


@pytest.fixture
def hostile(exported, tmp_path):
  """A copy of the folder that may be spoilt, and what its config says."""
  copy = tmp_path / 'hostile'
  shutil.copytree(exported, copy)
  return copy, json.loads((copy / folder.CONFIG).read_text())


def put(copy, config):
  config.pop('sha256', None)
  (copy / folder.CONFIG).write_text(json.dumps(config))


def test_it_is_taken_back_to_the_same_pixels_bit_for_bit(finished, exported):
  run, found = gan_jax.open(finished[0]), gan_jax.open(str(exported))
  assert equal(run.variables, found.variables)
  np.testing.assert_array_equal(found.sample(10, seed=3), run.sample(10, seed=3))
  told = lambda model: (model.step, model.images_shown, model.class_names, model.name)
  assert told(found) == told(run)
  with pytest.raises(UserError, match='leave the checkpoint out'):
    gan_jax.open(str(exported), checkpoint=1)


def test_training_starts_from_it_as_from_the_run(finished, exported):
  _, state, told = started(str(exported))
  source = saved(finished[0])
  assert equal(state.generator.params, source['ema']['params'])
  assert equal(state.discriminator.params, source['discriminator']['params'])
  assert told['step'] == int(source['step'])
  with pytest.raises(UserError, match=r'config\.init\.weights=.live'):
    started(str(exported), **{'init.weights': 'live'})


def test_its_program_runs_without_this_package_for_any_batch(exported, finished, tmp_path):
  rng = np.random.default_rng(0)
  run = build.open_run(finished[0], None)
  latents = rng.standard_normal((7, run.generator.latent_size)).astype(np.float32)
  labels = np.arange(7, dtype=np.int32)
  np.savez(tmp_path / 'in.npz', latents=latents, labels=labels, truncation=0.5)
  paths = [exported, tmp_path / 'in.npz', tmp_path / 'out.npz']
  subprocess.run([sys.executable, '-c', ELSEWHERE, *map(str, paths)], check=True, cwd=tmp_path)
  made = np.load(tmp_path / 'out.npz')
  assert list(made['platforms']) == ['cpu', 'cuda', 'tpu']
  images = run.generator.apply(run.variables, latents * 0.5, labels, train=False)
  expected = np.clip(np.round((np.asarray(images) + 1) * 127.5), 0, 255)
  for count in (1, 7):
    assert made[str(count)].dtype == np.uint8
    assert np.abs(made[str(count)] - expected[:count]).max() <= 1


def test_the_code_on_its_card_runs(exported, tmp_path):
  text = (exported / folder.CARD).read_text()
  _, code = [block.split('```')[0] for block in text.split('```python\n')[1:]]
  code = 'import sys; sys.modules["gan_jax"] = None\n' + code + 'print(images.shape, images.dtype)'
  shown = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, check=True, cwd=exported
  )
  assert shown.stdout.split('\n')[-2] == '(16, 16, 16, 1) uint8'


def test_the_hub_reads_its_card(finished, exported):
  found = huggingface_hub.ModelCard((exported / folder.CARD).read_text())  # checks the results
  data = found.data
  assert (data.license, data.library_name) == ('cc-by-4.0', 'gan_jax')
  assert data.pipeline_tag == 'unconditional-image-generation'
  scores = finished[1]
  values = {result.metric_type: result.metric_value for result in data.eval_results}
  assert values == {key: pytest.approx(scores[key], abs=1e-5) for key in values}
  assert {'fd_classifier', 'kid_classifier'} <= set(values)
  again = huggingface_hub.ModelCardData(**yaml.safe_load(found.data.to_yaml()))
  assert again.to_dict() == data.to_dict()
  low, floor = (scores[f'{name}fd_classifier{end}'] for name, end in (('', '_low'), ('floor_', '')))
  assert f'{low:.4g} to ' in found.text
  assert f'{floor:.4g}' in found.text
  assert 'Licence of the data: CC BY' in found.text
  assert all(line in found.text for line in limits.sentences({}))


def test_a_card_has_the_finite_scores_of_its_own_checkpoint_alone(tmp_path):
  def score(name, value, floor):
    interval = {'value': value, 'low': value - 1, 'high': value + 1}
    return {'name': name, 'metric': 'fd', **interval, 'floor': floor, 'n': 50, 'n_real': 40}

  rows = [
    {'step': 5, 'scores': [score('fd_a', 3.0, None)]},
    {'step': 9, 'scores': [score('fd_a', 2.0, {'value': 0.5}), score('fd_b', 7.0, None)]},
    {'step': 9, 'scores': [score('fd_c', float('nan'), None)]},
    {'scores': [score('fd_d', 1.0, None)]},  # of no checkpoint
  ]
  path = tmp_path / 'evaluation' / 'scores.json'
  path.parent.mkdir()
  path.write_text(json.dumps({'rows': rows}))
  found = [(each.name, each.value, each.floor) for each in card.scores(str(tmp_path), 9)]
  assert found == [('fd_a', 2.0, 0.5), ('fd_b', 7.0, None)]


@pytest.mark.parametrize(
  ('content', 'expected'),
  [
    (None, []),
    ({'audits': [{'name': 'scope'}, 'scope', {'name': 'utility'}]}, ['scope', 'utility']),
    ({'audits': {'name': 'scope'}}, []),
    ({}, []),
    ([], []),
  ],
)
def test_a_card_has_the_audits_of_the_run_whatever_else_is_in_their_file(
  tmp_path, content, expected
):
  (tmp_path / 'audit').mkdir()
  if content is not None:
    (tmp_path / 'audit' / 'audit.json').write_text(json.dumps(content))
  assert [each['name'] for each in card.audits(str(tmp_path))] == expected


@pytest.mark.parametrize(
  ('noted', 'expected'),
  [
    ({'licence': 'CC0'}, 'CC0'),
    ({'licence': ''}, digits.Builder.LICENCE),
    ({'licence': '', 'name': 'own'}, ''),
  ],
)
def test_the_licence_of_the_data_is_the_one_noted_or_that_of_data_known_by_name(
  finished, monkeypatch, noted, expected
):
  found = record.read_circumstances(finished[0])
  found['dataset'].update(noted)
  monkeypatch.setattr(export.record, 'read_circumstances', lambda _: found)
  about = export._about(finished[0], 'out', build.open_run(finished[0], None), '')
  assert about.data_licence == expected


def test_names_are_no_markup_and_no_paths_of_this_machine_go_along(exported, finished):
  assert card._plain('a|b\n# <img src=x> `c`') == r'a\|b \# &lt;img src=x&gt; \`c\`'
  for path in exported.iterdir():
    assert str(pathlib.Path(finished[0]).parent).encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
  ('place', 'left'),
  [
    ('/home/me/v3.npz', 'v3.npz'),
    ('/home/me/images/', 'images'),
    ('~/v3.npz', 'v3.npz'),
    ('~me/v3.npz', 'v3.npz'),
    ('./mine/v3.npz', 'v3.npz'),
    ('../mine/v3.npz', 'v3.npz'),
    ('huggingface:me/v3', 'huggingface:me/v3'),
    ('', ''),
  ],
)
def test_of_a_path_its_last_part_goes_along(tmp_path, place, left):
  config = smoke.get_config()
  config.dataset.data_dir = place
  names = [place, 'a cat']
  dataset = {
    **{'shape': [16, 16, 1], 'num_classes': 2, 'class_names': names, 'path': place},
    'fingerprints': {place: place},
  }
  folder.write_config(tmp_path, config, dataset, step=5, images=80)
  found = json.loads((tmp_path / folder.CONFIG).read_text())
  assert found['config']['dataset']['data_dir'] == left
  assert found['dataset']['class_names'] == [left, 'a cat']
  assert 'path' not in found['dataset']


def test_nothing_is_left_of_an_export_that_failed(finished, tmp_path, monkeypatch):
  def fail(*_):
    raise OSError(28, 'No space left on device')

  monkeypatch.setattr(export.record, 'write_atomically', fail)
  with pytest.raises(UserError, match='No space left'):
    export.export(finished[0], str(tmp_path / 'out'))
  assert list(tmp_path.iterdir()) == []


def test_a_place_with_something_in_it_and_a_strange_licence_are_refused(finished, tmp_path):
  (tmp_path / 'mine').write_text('')
  with pytest.raises(UserError, match='there is something already'):
    export.export(finished[0], str(tmp_path))
  with pytest.raises(UserError, match='--licence=do what you like'):
    export.export(finished[0], str(tmp_path / 'new'), licence='do what you like')


def test_a_folder_names_no_code(hostile, tmp_path):
  copy, config = hostile
  evil = tmp_path / 'evil.py'
  evil.write_text(f'open({str(tmp_path / "ran")!r}, "w")')
  for key in ('name', 'discriminator'):
    put(
      copy,
      config
      | {'config': config['config'] | {'model': {**config['config']['model'], key: str(evil)}}},
    )
    with pytest.raises(UserError, match=rf'config\.model\.{key}=.*no code is run'):
      build.brought(str(copy))
  assert not (tmp_path / 'ran').exists()


@pytest.mark.parametrize(
  ('keys', 'value'),
  [
    (('version',), 2),
    (('dataset', 'shape'), [10**9, 10**9, 1]),
    (('dataset', 'shape'), [16, 16, 2]),
    (('dataset', 'num_classes'), 10**9),
    (('dataset', 'num_classes'), '10'),
    (('dataset', 'class_names'), ['a']),
    (('dataset', 'dtype'), 'object'),
    (('config', 'dcgan', 'width'), 10**12),
    (('config', 'dcgan', 'width'), {'a': 1}),
    (('config', 'dcgan', 'width'), [1] * 1000),
    (('config', 'dcgan', 'wdth'), 8),
    (('config', 'model', 'latent_size'), 10**9),
    (('config', 'model'), 'dcgan'),
    (('config', 'dataset', 'resolution'), 10**9),
    (('step',), None),
  ],
)
def test_a_config_that_no_export_writes_is_refused_by_name(hostile, keys, value):
  copy, config = hostile
  within = config
  for key in keys[:-1]:
    within = within[key]
  within[keys[-1]] = value
  put(copy, config)
  with pytest.raises(UserError, match='config') as refused:
    build.brought(str(copy))
  assert str(copy) in str(refused.value) or keys[-1] in str(refused.value)


@pytest.mark.parametrize('value', [10**12, -(10**12), {'a': 1}, [1] * 1000, [8, 10**12]])
def test_a_setting_beyond_all_bounds_is_refused_before_a_network_is_made(hostile, value):
  copy, config = hostile
  config['config']['dcgan']['width'] = value
  put(copy, config)
  with pytest.raises(UserError, match=r'config\.json: says what no export .*config\.dcgan\.width='):
    folder.read(str(copy))


def test_models_as_large_as_any_that_was_published_are_within_the_bounds(tmp_path):
  config, classes = smoke.get_config(), 21_841  # of ImageNet-21k
  config.dataset.resolution = 1024  # of FFHQ
  config.model.latent_size = 512  # of StyleGAN
  dataset = {
    **{'shape': [1024, 1024, 3], 'dtype': 'uint8', 'num_classes': classes, 'fingerprints': {}},
    'class_names': [f'a class of the name {n}' for n in range(classes)],
  }
  folder.write_config(tmp_path, config, dataset, step=5, images=80)
  found = folder.read(str(tmp_path))
  assert (found.shape, found.num_classes) == ((1024, 1024, 3), classes)
  assert found.class_names == tuple(dataset['class_names'])


def test_a_network_of_more_layers_than_the_file_has_arrays_is_not_traced(hostile):
  copy, config = hostile
  del config['config']['dcgan']
  config['config']['model']['name'] = 'r3gan'
  config['config']['r3gan'] = {'widths': [8, 8, 8], 'group_size': 8, 'blocks': 10**7}
  put(copy, config)
  with pytest.raises(UserError, match='many more layers'):
    build.brought(str(copy))


def test_arrays_of_another_shape_type_or_name_or_cut_short_are_refused(hostile):
  copy, config = hostile
  path = copy / folder.GENERATOR
  right = weights.read(str(path))
  del config['files']
  put(copy, config)
  name = sorted(right)[0]
  others = {
    'holds nothing': {k: v for k, v in right.items() if k != name},
    'wanted nothing': right | {'params/extra': np.zeros(3, np.float32)},
    r'holds float32 \[3, 1\]': right | {name: np.zeros((3, 1), np.float32)},
    'holds float64': right | {name: right[name].astype(np.float64)},
  }
  for message, arrays in others.items():
    weights.write(str(path), arrays)
    with pytest.raises(UserError, match=message):
      build.brought(str(copy))
  for content in (
    b'',
    path.read_bytes()[:-1],
    b'\xff' * 64,
    b'\x10' + b'\0' * 7 + b'{"a": 1e999999} ',
  ):
    path.write_bytes(content)
    with pytest.raises(UserError, match='no whole safetensors file'):
      build.brought(str(copy))
  path.unlink()
  with pytest.raises(UserError, match='No such file'):
    build.brought(str(copy))


@pytest.mark.parametrize(('count', 'more'), [(0, ''), (3, ''), (4, '1 more'), (6, '3 more')])
def test_of_arrays_that_differ_some_are_named_and_the_others_counted(count, more):
  right = {f'params/{n}': np.zeros(n, np.float32) for n in range(6)}
  told = weights.differences(dict(list(right.items())[count:]), right)
  assert told.count('holds nothing, wanted float32') == min(count, 3)
  assert told.partition(' and ')[2] == more


def test_damage_is_noticed(hostile):
  copy, _ = hostile
  path = copy / folder.DISCRIMINATOR
  content = bytearray(path.read_bytes())
  content[-1] ^= 1
  path.write_bytes(content)
  with pytest.raises(UserError, match='damaged: not what was exported'):
    build.brought(str(copy))


def test_what_is_no_export_is_left_to_others(finished, tmp_path):
  assert build.brought(finished[0]) is None
  assert build.brought(str(tmp_path)) is None
  (tmp_path / folder.CONFIG).write_text('[' * 100_000)
  assert build.brought(str(tmp_path)) is None
