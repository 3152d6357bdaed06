"""Every architecture: a folder gives its networks back, and its program draws what they draw."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

import gan_jax
from configs import default
from gan_jax import build
from gan_jax.build import elsewhere
from gan_jax.build.players import modules
from gan_jax.errors import UserError
from gan_jax.models import dcgan
from gan_jax.ops import conv, linear
from gan_jax.share import folder, program, weights
from tests.build.test_transfer import equal
from tests.models import originals
from tests.training.test_architectures import SMALL

# Channels, type and width of the images of each; the resolution where it is not among SMALL's keys.
CASES = {
  'resnet': (1, 'uint8', None),
  'biggan': (3, 'uint8', None),
  'stylegan2': (4, 'uint8', 16),
  'fastgan': (3, 'uint8', 64),
  'gat': (1, 'uint16', None),
  'projected': (4, 'uint8', None),
  'dcgan': (1, 'uint16', 32),
  'r3gan': (3, 'uint8', 32),
}
FURTHER = {
  'dcgan': {'dataset.resolution': 16, 'dcgan.width': 4},
  'r3gan': {'dataset.resolution': 16, 'r3gan.widths': (8, 8, 8), 'r3gan.group_size': 4},
}
CLASSES, LATENT = 3, 8
LABELS = np.arange(5, dtype=np.int32) % CLASSES


def config_of(name):
  config = default.get_config()
  with config.unlocked():
    config.update_from_flattened_dict(
      {'model.name': name, 'model.conditional': True, 'model.latent_size': LATENT}
      | {k: v for k, v in (SMALL | FURTHER)[name].items() if k != 'regularisers'}
    )
    config.dataset.width = CASES[name][2]
  return config


# Those that take long to compile.
SLOW = {'biggan', 'fastgan', 'gat'}
PARAMS = [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in CASES]


@pytest.fixture(scope='module', params=PARAMS)
def case(request, tmp_path_factory):
  """A folder of networks with drawn weights, and what is in it."""
  channels, dtype, _ = CASES[request.param]
  config = config_of(request.param)
  height, width = build.image_size(config)
  generator, discriminator = modules(config, channels, CLASSES)
  variables = originals.variables(generator, 'g', jnp.zeros((1, LATENT)), LABELS[:1], train=False)
  judged = elsewhere.as_judged(discriminator, (height, width, channels))
  judge = originals.variables(discriminator, 'd', judged, LABELS[:1], train=False)
  out = tmp_path_factory.mktemp(request.param)
  about = {'shape': [height, width, channels], 'dtype': dtype, 'class_names': ['a', 'b', 'c']}
  weights.write(str(out / folder.GENERATOR), program.flat(variables))
  weights.write(str(out / folder.DISCRIMINATOR), program.flat(judge))
  folder.write_config(out, config, {**about, 'num_classes': CLASSES}, 5, 40)
  return out, generator, variables, judge


def test_the_folder_gives_both_networks_back(case):
  out, generator, variables, judge = case
  found = build.brought(str(out))
  assert equal(found.variables, variables)
  assert equal(found.discriminator, judge)
  assert found.generator == generator


def test_the_program_draws_the_same_pixels_for_any_batch(case):
  out, generator, variables, _ = case
  model = gan_jax.open(str(out))
  made = export.deserialize(bytearray(program.stablehlo(generator, variables, model.dtype)))
  latents, labels = model.latents(5, seed=1), LABELS
  expected = model.images(latents, labels, truncation=0.7)
  level = 1 if model.dtype == np.uint8 else 257  # of 255
  for count in (1, 5):
    given = program.flat(variables), latents[:count], labels[:count], np.float32(0.7)
    found = np.asarray(made.call(*given))
    assert found.dtype == model.dtype
    assert found.shape == (count, *model.resolution, model.channels)
    assert np.abs(found.astype(int) - expected[:count]).max() <= level
  assert expected.std() > 0


def test_plain_forms_hold_none_of_our_operations_and_end_with_their_block():
  run = lambda x: conv.conv(x, jnp.ones((3, 3, 2, 2)), padding=1)
  shape = jax.ShapeDtypeStruct((1, 8, 8, 2), np.float32)
  with linear.plain_forms():
    plain = str(jax.make_jaxpr(lambda x: run(x))(shape))
  assert 'conv_general_dilated' in plain
  assert 'conv_general_dilated' not in str(jax.make_jaxpr(lambda x: run(x))(shape))


def test_a_generator_that_is_written_for_one_batch_is_refused_by_name():
  class Fixed(dcgan.Generator):
    def __call__(self, latents, labels, train):
      return jnp.zeros((int(latents.shape[0]), 16, 16, 1))

  generator = Fixed(16, 1, LATENT)
  with pytest.raises(UserError, match='cannot be made a program for any batch size'):
    program.stablehlo(generator, {'params': {}}, np.uint8)
