"""The FID network against pytorch-fid and torch-fidelity, with the same random weights.

The fixture is made by fixtures/make_inception_v3.py.
"""

import pathlib

import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

from gan_jax.errors import UserError
from gan_jax.features import inception_v3
from gan_jax.features.network import Request
from tests.features.fixtures.drawn_inputs import images, inception_weights

ORACLE = np.load(pathlib.Path(__file__).parent / 'fixtures' / 'inception_v3.npz')


@pytest.fixture(scope='module')
def file(tmp_path_factory):
  path = tmp_path_factory.mktemp('weights') / 'inception.safetensors'
  safetensors.numpy.save_file(inception_weights(inception_v3.shapes()), path)
  return str(path)


@pytest.fixture(scope='module')
def legacy(file):
  return inception_v3.load(Request(None, None, file, 'legacy'))


@pytest.mark.parametrize('size', [299, 64])
def test_features_are_those_of_pytorch_fid(legacy, size):
  features, logits = legacy.apply(legacy.params, images(size))
  assert (features.shape, logits.shape) == ((4, 2048), (4, 1008))
  np.testing.assert_allclose(features, ORACLE[f'features_{size}'], atol=1e-3)


def test_logits_are_those_of_torch_fidelity(legacy):
  # It takes (x - 128) / 128 where pytorch-fid takes x / 127.5 - 1.
  seen = images(299)[:2].astype(np.float32) * np.float32(127.5 / 128)
  _, logits = legacy.apply(legacy.params, seen)
  np.testing.assert_allclose(logits, ORACLE['logits_unbiased'], atol=1e-3)


def test_antialiased_it_sees_images_as_pillow_scales_them_by_a_cubic(monkeypatch):
  monkeypatch.setattr(inception_v3, '_trunk', lambda conv, x: x)  # what it is given
  pixels = images(400)[0]
  (seen,) = np.asarray(inception_v3._features('antialias', {}, pixels[None]))
  planes = [Image.fromarray(plane) for plane in np.moveaxis(np.float32(pixels), -1, 0)]
  scaled = [plane.resize((299, 299), Image.Resampling.BICUBIC) for plane in planes]
  expected = np.stack(scaled, axis=-1).clip(0, 255) / 127.5 - 1
  np.testing.assert_allclose(seen, expected, atol=1e-4)


def test_scores_of_the_two_ways_have_names_of_their_own(file, legacy):
  antialias = inception_v3.load(Request(None, None, file))
  assert (antialias.name, antialias.resize) == ('inception_v3', 'antialias')
  assert (legacy.name, legacy.resize) == ('inception_v3_legacy', 'legacy')
  assert antialias.description != legacy.description
  assert antialias.classes == 'own'


def test_says_which_setting_names_the_file_and_where_it_is_published():
  with pytest.raises(UserError, match=r'config\.evaluate\.weights\.inception_v3') as refused:
    inception_v3.load(Request(None, None))
  message = str(refused.value)
  assert '--weights=inception_v3=FILE' in message
  assert 'pt_inception-2015-12-05-6726825d.pth' in message
  assert 'github.com/mseitzer/pytorch-fid' in message
  assert '\n' not in message


def test_weights_of_another_inception_are_refused(tmp_path):
  """torchvision's own has 1,000 classes in its last layer."""
  shapes = inception_v3.shapes() | {'fc.weight': (1000, 2048)}
  path = tmp_path / 'a.safetensors'
  safetensors.numpy.save_file({n: np.zeros(s, np.float16) for n, s in shapes.items()}, path)
  with pytest.raises(UserError, match=r'fc.weight is of shape \[1000, 2048\], not \[1008, 2048\]'):
    inception_v3.load(Request(None, None, str(path)))
