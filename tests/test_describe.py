import json

import jax
import numpy as np
import pytest

from configs import default
from configs.bench import dcgan64
from configs.published import gat_s, projected_256, stylegan2_paper1024
from gan_jax import build, describe
from gan_jax.errors import UserError


def small(**model):
  config = default.get_config()
  config.train.batch_size = 8
  config.model.update(model)
  return config


@pytest.mark.parametrize(
  ('name', 'options'),
  [
    ('dcgan', {'remat_stages': 2}),
    ('biggan', {'width': 4, 'attention': 16, 'bfloat16_stages': 1}),
    ('resnet', {'width': 4}),
    ('stylegan2', {'channel_base': 64, 'remat_stages': 2}),
    ('r3gan', {'widths': (16, 16, 16, 16), 'remat_stages': 4}),
    ('fastgan', {'width': 4, 'remat_stages': 3}),
    ('gat', {'depth': 4, 'width': 16, 'heads': 2, 'remat': True}),
  ],
)
def test_weights_are_those_of_a_run_and_layers_add_up(name, options):
  config = small(conditional=True, name=name, latent_size=60)
  config[name].update(options)
  found = describe.describe(config, 1, 10)
  state = build.shapes(config, build.networks(config, 1, 10))
  for player, own in zip(found.players, (state.generator, state.discriminator), strict=True):
    whole, *layers = player.layers
    assert whole.path == ''
    assert whole.weights == sum(int(np.prod(x.shape)) for x in jax.tree.leaves(own.params))
    top = [layer for layer in layers if '/' not in layer.path]
    own_weights = sum(x.size for x in own.params.values() if hasattr(x, 'size'))
    assert sum(layer.weights for layer in top) + own_weights == whole.weights
    of_layers = sum(layer.multiply_adds for layer in top)
    assert 0.95 * whole.multiply_adds < of_layers <= whole.multiply_adds
    assert player.fixed == sum(int(np.prod(x.shape)) for x in jax.tree.leaves(own.mutable))
  generator, discriminator = found.players
  assert generator.layers[0].shapes == ((1, 32, 32, 1),)
  assert discriminator.layers[0].shapes[0][0] == 1


def test_dcgan_takes_the_operations_that_are_known_of_it():
  """A step of 64 pixels: 1.15 billion multiply-adds an image, counted by hand."""
  config = dcgan64.get_config()
  found = describe.describe(config, 3, 0)
  assert found.images == config.train.batch_size
  assert found.step / found.images == pytest.approx(1.15e9, rel=0.05)


@pytest.mark.parametrize('module', [stylegan2_paper1024, projected_256, gat_s])
def test_the_largest_networks_are_described_without_room_for_them(module):
  config = module.get_config()
  config.train.batch_size = 64  # eight devices here
  before = {id(each) for each in jax.live_arrays()}  # other tests' own
  found = describe.describe(config, 4 if module is gat_s else 3, 1000)
  assert all(player.layers[0].weights > 5e6 for player in found.players)
  assert found.step > 1e12
  assert not [x for x in jax.live_arrays() if x.size > 1e6 and id(x) not in before]


def test_tables_and_json_say_the_same(tmp_path, capsys):
  found = describe.describe(small(), 1, 0)
  describe.show(found, depth=1)
  shown = capsys.readouterr().out
  path = tmp_path / 'networks.json'
  describe.write(found, str(path))
  written = json.loads(path.read_text())
  for name in ('generator', 'discriminator'):
    assert f'{name}: {written[name]["weights"]:,} weights' in shown
    layers = {layer['path']: layer for layer in written[name]['layers']}
    for key in ('weights', 'multiply_adds'):  # beside the name stands what all layers have
      assert written[name][key] == layers[''][key] == max(each[key] for each in layers.values())
  assert f'{found.step / 1e9:,.2f} billion multiply-adds for 8 images' in shown
  assert 'conv1' in shown
  describe.show(found, depth=0)
  assert 'conv1' not in capsys.readouterr().out


def test_in_a_narrow_window_names_of_layers_are_whole(monkeypatch, capsys):
  name = 'a_layer_of_a_long_name'
  layers = [describe.Layer(path, 'Conv', ((1, 8, 8, 4),), 5, 7) for path in ('', name)]
  monkeypatch.setattr(describe, 'columns', lambda: 50)
  describe.show(describe.Description([describe.Player('generator', layers, 0)], 9, 1), depth=1)
  rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith('│')]
  first = [row.strip('│').split('│')[0].strip() for row in rows]
  assert first[0] == 'all'
  assert len(first) > 2
  assert ''.join(first[1:]) == name


def test_without_its_dataset_it_says_how_to_ask():
  config = small()
  config.dataset.name = 'nowhere'
  with pytest.raises(UserError, match='--channels=3 --classes=10'):
    describe.channels_and_classes(config)
