"""Small generators that were never trained, and a server of them without a socket."""

import jax
import numpy as np
import pytest
from starlette.testclient import TestClient

from gan_jax.exploring.gallery import Entry, Gallery
from gan_jax.exploring.guard import Guard
from gan_jax.exploring.painter import Painter
from gan_jax.exploring.server import Explorer
from gan_jax.models import dcgan, stylegan2
from gan_jax.sampling.model import Model
from tests.sampling.drawn import moved

PORT = 8765
ORIGIN = f'http://127.0.0.1:{PORT}'
CLASSES = ('zero', '<b>one</b>')


def made(module, name, channels=1, dtype='uint8', classes=CLASSES, resolution=16, **settings):
  """A generator whose weights are drawn: at its first ones any picture is as good as any other."""
  network = module.Generator(
    resolution, channels, latent_size=8, num_classes=len(classes), **settings
  )
  labels = np.zeros(1, np.int32)
  variables = network.init(jax.random.key(0), np.zeros((1, 8), np.float32), labels, train=False)
  return Model(network, moved(variables), dtype, name=name, class_names=classes, batch_size=16)


def styled(**settings):
  return made(stylegan2, 'stylegan2', channel_base=128, channel_max=8, w_size=8, **settings)


def plain(**settings):
  return made(dcgan, 'dcgan', width=8, **settings)


class Made(Gallery):
  """A gallery of models that are there already."""

  def __init__(self, models):
    super().__init__([Entry(f'runs/{model.name}', n, 100 * n) for n, model in enumerate(models)])
    for n, model in enumerate(models):
      self._open[n] = Painter(model, self.projected)


@pytest.fixture(scope='session')
def models():
  return [plain(), styled()]


class Served:
  """A guarded server, and a browser that has entered."""

  def __init__(self, gallery):
    self.gallery, self.explorer, self.addresses = gallery, Explorer(gallery), []
    self.app = Guard(self.explorer.application(), PORT, self.addresses.append)
    self.client = self.entered()

  def browser(self):
    return TestClient(self.app, base_url=ORIGIN, headers={'Origin': ORIGIN})

  def entered(self):
    browser = self.browser()
    assert browser.get(self.addresses[-1]).status_code == 200
    return browser


@pytest.fixture
def served(models):
  served = Served(Made(models))
  yield served
  served.explorer.close()
