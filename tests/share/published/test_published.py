"""Published networks give what their own code gave: `../make_published.py`."""

import pathlib

import jax.numpy as jnp
import numpy as np
import pytest

import gan_jax
from gan_jax import build
from gan_jax.build.players import modules
from gan_jax.errors import UserError
from gan_jax.pretrained import network_pickle
from gan_jax.share import weights
from gan_jax.share.published import read
from tests.build.test_transfer import started
from tests.models.originals import close
from tests.pretrained.test_torch_weights import Tensor, _write_zip

FIXTURES = pathlib.Path(__file__).parent.parent / 'fixtures'
NAMES = ('stylegan2_ada_pytorch', 'stylegan3', 'r3gan')
LABELS = np.arange(4, dtype=np.int32) % 3


def file_of(name):
  return str(FIXTURES / f'{name}.pkl')


def expected_of(name):
  return np.load(FIXTURES / f'{name}.npz')


def tensors_of(name, network='G_ema'):
  return network_pickle.read_networks(file_of(name), (network,))[network].tensors


@pytest.mark.parametrize('name', NAMES)
def test_images_and_logits_are_those_of_its_own_code(name):
  found, expected = build.brought(file_of(name)), expected_of(name)
  run = found.generator.apply
  close(run(found.variables, expected['latents'], LABELS, train=False), expected['images'])
  _, judge = modules(found.config, 3, found.generator.num_classes)
  logits = judge.apply(found.discriminator, expected['judged'], LABELS, train=False)
  close(logits, expected['logits'])
  if 'truncated' in expected:
    half = jnp.full(4, 0.5)
    images = run(found.variables, expected['latents'], LABELS, half, method='truncated')
    close(images, expected['truncated'])


@pytest.mark.parametrize('name', NAMES)
def test_it_opens_as_a_model_whose_pixels_are_these(name):
  model, expected = gan_jax.open(file_of(name)), expected_of(name)
  made = model.images(expected['latents'], LABELS % max(1, model.num_classes))
  wanted = np.clip(np.round((expected['images'] + 1) * 127.5), 0, 255)
  assert made.dtype == np.uint8
  assert np.abs(made - wanted).max() <= 1
  assert np.mean(made != wanted) < 1e-3
  assert model.sample(2, seed=1).shape == (2, 16, 16, 3)


@pytest.mark.parametrize('name', NAMES)
def test_both_players_have_the_sizes_of_their_images_and_latents(name):
  (generator, discriminator), expected = read(file_of(name)), expected_of(name)
  for player in (generator, discriminator):
    assert player.architecture == ('r3gan' if name == 'r3gan' else 'stylegan2')
    side, channels = player.resolution, player.channels
    assert expected['images'].shape[1:] == expected['judged'].shape[1:] == (side, side, channels)
  assert generator.num_classes == discriminator.num_classes
  assert generator.latent_size == expected['latents'].shape[1]
  assert discriminator.latent_size == 0  # it takes none


@pytest.mark.parametrize('ending', ['.safetensors', '.pth'])
@pytest.mark.parametrize('name', NAMES)
def test_state_dicts_of_the_same_names_are_the_same_network(name, ending, tmp_path):
  tensors = tensors_of(name)
  path = tmp_path / f'generator{ending}'
  if ending == '.pth':
    _write_zip(path, {k: Tensor(np.asarray(v, order='C')) for k, v in tensors.items()})
  else:
    weights.write(str(path), tensors)
  found, expected = gan_jax.open(str(path)), expected_of(name)
  labels = LABELS % max(1, found.num_classes)
  close(
    found.generator.apply(found.variables, expected['latents'], labels, train=False),
    expected['images'],
  )


def test_one_file_may_hold_both_players(tmp_path):
  both = {
    f'{player}.{name}': value
    for player in ('G_ema', 'D')
    for name, value in tensors_of('r3gan', player).items()
  }
  weights.write(str(tmp_path / 'both.safetensors'), both)
  found = build.brought(str(tmp_path / 'both.safetensors'))
  close(
    np.asarray(found.discriminator['params']['head']['kernel']),
    build.brought(file_of('r3gan')).discriminator['params']['head']['kernel'],
  )


def test_training_starts_from_it():
  settings = build.brought(file_of('r3gan')).config.r3gan.to_dict()
  changes = {f'r3gan.{key}': value for key, value in settings.items()}
  changes |= {'model.name': 'r3gan', 'model.latent_size': 6, 'init.least_share': 0.99}
  # Ten classes of grey images here, three of coloured ones there.
  changes |= {'train.batch_size': 8, 'model.conditional': False, 'init.players': 'generator'}
  with pytest.raises(UserError, match='of the generator fits'):
    started(file_of('r3gan'), **changes)
  _, state, told = started(file_of('r3gan'), **{**changes, 'init.least_share': 0.5})
  source = build.brought(file_of('r3gan')).variables['params']['stages']
  np.testing.assert_array_equal(
    state.generator.params['stages']['stage1_block0']['mix']['kernel'],
    source['stage1_block0']['mix']['kernel'],
  )
  assert set(told['generator']['skipped']) == {'params/image/kernel', 'params/stem/kernel'}
  with pytest.raises(UserError, match=r'config\.init\.step=3'):
    started(file_of('r3gan'), **{**changes, 'init.step': 3})


def spoilt(**changes):
  tensors = tensors_of('stylegan2_ada_pytorch')
  for name, value in changes.items():
    name = name.replace('__', '.')
    if value is None:
      del tensors[name]
    else:
      tensors[name] = value(tensors.get(name)).astype(np.float32)
  return tensors


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'synthesis__b8__conv0__weight': None}, r'synthesis\.b8\.conv0\.weight is missing'),
    ({'mapping__w_avg': None}, r'mapping\.w_avg is missing'),
    ({'synthesis__b8__extra': lambda x: np.zeros(3)}, r'b8\.extra of shape \[3\] has no place'),
    ({'synthesis__b8__conv0__bias': lambda x: x[:3]}, r'block8/conv0/bias.*\[3\], wanted.*\[8\]'),
    ({'synthesis__b8__conv1__weight': lambda x: x[:3]}, r'widths .*are not a base over the side'),
    ({'synthesis__b8__conv1__weight': lambda x: x[0]}, 'wanted 4 axes'),
    ({'synthesis__b8__resample_filter': lambda x: x * 2}, 'another filter than the binomial'),
    ({'mapping__fc0__weight': lambda x: x * np.nan}, 'values that are no numbers'),
    ({'synthesis__b4__const': None}, 'its tensors are named|not known here'),
  ],
)
def test_a_part_or_a_shape_that_is_not_known_is_named(changes, message, tmp_path):
  path = str(tmp_path / 'generator.safetensors')
  weights.write(path, spoilt(**changes))
  with pytest.raises(UserError, match=message) as refused:
    build.brought(path)
  assert path in str(refused.value)


def test_stylegan3_itself_and_other_files_are_refused_by_name(tmp_path):
  path = tmp_path / 'a.safetensors'
  weights.write(str(path), {'synthesis.input.transform': np.eye(3, dtype=np.float32)})
  with pytest.raises(UserError, match=r'not known here .tensors synthesis\.input\.transform'):
    build.brought(str(path))
  path.write_bytes(b'nothing')
  with pytest.raises(UserError, match='no whole safetensors file'):
    build.brought(str(path))
  (tmp_path / 'b.pkl').write_bytes(b'cos\nsystem\n(S"true"\ntR.')
  with pytest.raises(UserError, match=r"names 'os\.system', which is none of the classes"):
    gan_jax.open(str(tmp_path / 'b.pkl'))
  weights.write(str(path), tensors_of('r3gan', 'D'))
  assert read(str(path)).generator is None
  with pytest.raises(UserError, match='holds a discriminator alone'):
    build.brought(str(path))
