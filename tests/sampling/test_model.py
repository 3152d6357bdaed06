import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import gan_jax
from configs import smoke
from gan_jax import opening
from gan_jax.build import open_run
from gan_jax.errors import UserError
from gan_jax.models import dcgan
from gan_jax.sampling.model import Model
from tests.sampling import drawn

OF_TWO_SECONDS = ('dcgan', 'stylegan2')
ARCHITECTURES = [
  pytest.param(name, marks=() if name in OF_TWO_SECONDS else pytest.mark.slow)
  for name in drawn.MODULES
]
SIZES = {'resnet': (32, 32), 'biggan': (32, 32), 'fastgan': (32, 32)}


@pytest.fixture(scope='module')
def models():
  """Models by name, each made once."""
  made = {}

  def model(name):
    return made.setdefault(name, drawn.model(name, SIZES.get(name, (16, 16))))

  return model


@pytest.mark.parametrize('name', ARCHITECTURES)
def test_images_are_a_function_of_latents_and_labels(models, name):
  model = models(name)
  images = model.sample(8, seed=3)
  assert images.shape == (8, *model.resolution, 1)
  np.testing.assert_array_equal(model.images(model.latents(8, seed=3)), images)
  labels = np.arange(8) % 3
  np.testing.assert_array_equal(model.images(model.latents(8, seed=3), labels), images)
  # Weights of classes: one class is that class, and between two lies neither.
  weights = np.eye(3, dtype=np.float32)[labels]
  of_weights = model.images(model.latents(8, seed=3), weights)
  assert np.abs(of_weights.astype(int) - images).max() <= 1  # products are summed otherwise
  mixed = model.images(model.latents(8, seed=3), np.full((8, 3), 1 / 3, np.float32))
  other = model.sample(8, classes=[1, 2, 0], seed=3)
  assert np.abs(mixed.astype(int) - images).max() > 1
  assert np.abs(mixed.astype(int) - other).max() > 1


@pytest.mark.parametrize('name', ['stylegan2', 'gat'])
def test_w_is_truncated_towards_its_mean(models, name):
  model = models(name)
  latents, mean = model.latents(4), model.variables['averages']['w']
  w, labels = model.styles(latents, 1), np.ones(4, int)
  mean = mean if name == 'stylegan2' else mean[1]
  np.testing.assert_allclose(
    model.styles(latents, labels, 0.25), mean + 0.25 * (w - mean), rtol=1e-5, atol=1e-5
  )
  still = model.styles(latents, 1, np.array([0, 0, 1, 1], np.float32))
  np.testing.assert_allclose(still[:2], np.broadcast_to(mean, w[:2].shape), atol=1e-6)
  np.testing.assert_allclose(still[2:], w[2:], atol=1e-5)
  whole, fixed = model.images(latents, 1, fixed_noise=True), model.images_of_styles(w)
  assert np.abs(whole.astype(int) - fixed).max() <= 1
  assert model.styles_shape == w.shape[1:]


def test_w_without_a_mean_has_no_truncation(models, monkeypatch):
  model = models('stylegan2')
  monkeypatch.setattr(type(model), 'has_mean', False)
  latents = model.latents(4)
  for call in (model.styles, model.interpolate):
    with pytest.raises(UserError, match='stylegan2 keeps no mean of w; accepted: 1'):
      call(latents, truncation=0.5)


def test_without_a_mapping_network_there_is_no_w(models):
  model = models('dcgan')
  assert not model.has_styles
  for call in (model.styles, model.images_of_styles):
    with pytest.raises(UserError, match='dcgan has no mapping network'):
      call(model.latents(1))
  np.testing.assert_array_equal(
    model.sample(3, classes=1, truncation=0.5), model.images(model.latents(3) / 2, 1)
  )


@pytest.mark.parametrize(
  ('latents', 'settings', 'said'),
  [
    (np.zeros((2, 7)), {}, r'latents: have the shape \(2, 7\); accepted: \(N, 8\)'),
    (np.zeros((0, 8)), {}, 'accepted: '),
    (np.full((2, 8), np.nan), {}, 'accepted: finite'),
    (np.zeros((2, 8)), {'labels': [0, 3]}, 'labels: 0 to 3; accepted: 0 to 2'),
    (np.zeros((2, 8)), {'labels': [0.0, 1.0]}, r'accepted: integers \(2,\), or weights \(2, 3\)'),
    (np.zeros((2, 8)), {'labels': [0, 1, 2]}, 'accepted: integers'),
    (np.zeros((2, 8)), {'labels': np.full((2, 3), np.inf)}, 'accepted: finite'),
    (np.zeros((2, 8)), {'truncation': -1}, 'truncation=-1: accepted: numbers from 0'),
    (np.zeros((2, 8)), {'truncation': np.ones(3)}, 'accepted: numbers from 0'),
  ],
)
def test_arrays_that_do_not_fit_are_refused(models, latents, settings, said):
  with pytest.raises(UserError, match=said):
    models('dcgan').images(latents, **settings)


def test_counts_and_w_that_do_not_fit_are_refused(models):
  with pytest.raises(UserError, match='n=0: accepted: numbers from 1'):
    models('dcgan').sample(0)
  with pytest.raises(UserError, match=r'accepted: \(N, 6, 16\)'):
    models('stylegan2').images_of_styles(np.zeros((2, 16)))


@pytest.mark.parametrize(('channels', 'mode'), [(1, 'L'), (3, 'RGB'), (4, 'RGB')])
def test_a_notebook_is_shown_a_picture(channels, mode):
  model = drawn.model(channels=channels, workdir='/runs/<b>', images_shown=5)
  with Image.open(io.BytesIO(model._repr_png_())) as picture:
    assert picture.mode == mode
    assert picture.size == (8 * 16, 3 * 16)
  assert '&lt;b&gt;: dcgan' in model._repr_html_()
  assert '<b>' not in model._repr_html_()
  assert str(model).endswith('3 classes, z of 8, after 5 images')


def test_a_run_is_opened_with_what_its_record_says(finished):
  workdir, _ = finished
  model, run = gan_jax.open(workdir, checkpoint=128), open_run(workdir, 128)
  assert (model.step, model.images_shown, model.resolution) == (8, 128, (16, 16))
  assert model.class_names == run.class_names == tuple('0123456789')
  # What training and evaluation draw, one program for latents and images, is the same.
  drawn_by_sampler = run.sampler(16).draw(run.variables, np.arange(16) % 10, seed=5)
  difference = np.concatenate(list(drawn_by_sampler)).astype(int) - model.sample(16, seed=5)
  assert np.abs(difference).max() <= 1
  with pytest.raises(UserError, match='holds no run'):
    gan_jax.open(workdir + '/nothing')


def test_a_model_is_named_as_it_is_told_by_its_config_or_by_its_module():
  generator = dcgan.Generator(16, 1, 8, width=8)
  config = smoke.get_config()
  config.model.name = 'of_the_config'
  named = lambda **how: Model(generator, {}, np.uint8, **how).recipe()['Model']
  assert named(name='mine', config=config) == 'mine'
  assert named(config=config) == 'of_the_config'
  assert named() == 'gan_jax.models.dcgan'


def test_other_openers_come_first(monkeypatch, models):
  opened = lambda path: models('dcgan') if path == 'other' else None
  monkeypatch.setattr(opening, 'OPENERS', (opened,))
  assert gan_jax.open('other', batch_size=3).batch_size == 3
  with pytest.raises(UserError, match='batch_size=0: accepted: numbers from 1'):
    gan_jax.open('other', batch_size=0)
  with pytest.raises(UserError, match='holds one generator'):
    gan_jax.open('other', checkpoint=1)
  with pytest.raises(UserError, match='holds no run'):
    gan_jax.open('nothing')


def test_importing_the_package_does_not_import_jax():
  code = 'import sys, gan_jax; sys.exit("jax" in sys.modules or "numpy" in sys.modules)'
  assert subprocess.run([sys.executable, '-c', code], check=False).returncode == 0
