import json

import numpy as np
import pytest
from PIL import Image

import gan_jax
from configs import smoke
from gan_jax import edit
from gan_jax.data import by_name
from gan_jax.data.ingest import options, prepare
from gan_jax.errors import UserError
from gan_jax.latents.directions import Directions
from gan_jax.latents.stored import Latents, write_latents
from gan_jax.train import train
from tests.sampling import drawn


@pytest.fixture(scope='module')
def model():
  return drawn.model('dcgan')


def test_a_sheet_shows_each_direction_at_each_strength(model, tmp_path):
  found = edit.edit(model, edit.Asked(most=3, samples=2, strengths=(-1.0, 0.0, 1.0)))
  assert found.columns == 6
  assert len(found.sheet) == 18
  assert found.captions[:3] == ['-1 component1', '+0 component1', '+1 component1']
  start = edit.images_of(model, found.start)
  for row in range(3):  # moving by 0 is the image itself
    np.testing.assert_array_equal(found.sheet[6 * row + 1], start[0])
    np.testing.assert_array_equal(found.sheet[6 * row + 4], start[1])
  vector = found.directions.vector('component2')
  moved = model.images(found.start.values + vector, found.start.labels, fixed_noise=True)
  np.testing.assert_array_equal(found.sheet[6 + 2], moved[0])
  written = edit.write(found, str(tmp_path))
  assert [path.rpartition('/')[2] for path in written] == [
    edit.SHEET, edit.DIRECTIONS, edit.ABOUT,
  ]  # fmt: skip
  with Image.open(tmp_path / edit.SHEET) as image:
    assert image.width == 6 * 80
  shares = json.loads((tmp_path / edit.ABOUT).read_text())['shares']
  assert list(shares) == ['component1', 'component2', 'component3']
  np.testing.assert_allclose(list(shares.values()), found.directions.shares)


def test_directions_and_latents_of_files_are_moved_and_written(model, tmp_path):
  found = edit.edit(model, edit.Asked(by='weights', most=2, samples=1, strengths=(0.0,)))
  edit.write(found, str(tmp_path))
  latents = Latents('z', model.latents(3, seed=5), np.array([2, 0, 1], np.int32), ('a', 'b', 'c'))
  with open(tmp_path / 'l.npz', 'wb') as file:
    write_latents(file, latents)
  asked = edit.Asked(
    directions=str(tmp_path / edit.DIRECTIONS),
    latents=str(tmp_path / 'l.npz'),
    move=(('weight2', 1.5), ('weight1', -1.0)),
    samples=2,
    strengths=(0.0,),
  )
  again = edit.edit(model, asked)
  np.testing.assert_array_equal(again.directions.vectors, found.directions.vectors)
  first, second = found.directions.vectors
  np.testing.assert_allclose(again.edited.values, latents.values + 1.5 * second - first, atol=1e-6)
  np.testing.assert_array_equal(again.after, edit.images_of(model, again.edited))
  assert len(again.sheet) == 2 * 2
  edit.write(again, str(tmp_path))
  np.testing.assert_array_equal(np.load(tmp_path / edit.EDITED)['z'], again.edited.values)


def test_the_class_of_a_model_without_w_goes_in_by_the_label(model):
  asked = edit.Asked(by='classes', samples=2, classes='0', move=(('class=猫', 1.0),))
  found = edit.edit(model, asked)
  assert found.directions is None
  assert found.captions[4:6] == ['100% cat to cat', '0% cat to cat']
  start = edit.images_of(model, found.start)
  for row in range(3):
    ends = found.sheet[10 * row], found.sheet[10 * row + 4]
    other = model.images(found.start.values[:1], np.array([row]), fixed_noise=True)[0]
    for image, expected in zip(ends, (start[0], other), strict=True):
      assert np.abs(image.astype(int) - expected).max() <= 1
  np.testing.assert_array_equal(found.edited.labels, [2, 2])
  with pytest.raises(UserError, match=r'--move=class=dog: unknown; .*class=a dog'):
    edit.edit(model, asked._replace(move=(('class=dog', 1.0),)))


def test_of_a_model_with_w_classes_are_directions_and_layers_can_be_chosen(styled):
  asked = edit.Asked(by='classes', samples=1, strengths=(0.0, 1.0), move=(('class=cat', 2.0),))
  found = edit.edit(styled, asked._replace(layers='0:2'))
  moved = found.edited.values - found.start.values
  np.testing.assert_allclose(moved[:, 2:], 0)
  np.testing.assert_allclose(moved[0, 1], 2 * found.directions.vector('class=cat'), atol=1e-5)
  about = json.loads(json.dumps(found.about, allow_nan=False))
  assert set(about['shares'].values()) == {None}  # of a direction between classes there is none
  for layers in ('2:1', '0:99', 'x', ':0'):
    with pytest.raises(UserError, match=f'--layers={layers}: accepted: FIRST:END within 0:'):
      edit.edit(styled, asked._replace(layers=layers))


def test_the_label_is_no_class_of_latents_in_w_and_directions_are_named_instead(styled):
  shape = styled.styles_shape
  w = Latents('w', np.zeros((1, *shape), np.float32), np.zeros(1, np.int32), ('a',))
  along = Directions('w', ('component1',), np.ones((1, shape[-1]), np.float32), np.ones(1))
  with pytest.raises(UserError, match=r'--move=class=cat: unknown; accepted: component1$'):
    edit.move(styled, w, along, [('class=cat', 1.0)])


def test_w_plus_of_a_projection_is_moved_as_it_is(styled, tmp_path):
  w = styled.styles(styled.latents(2, seed=1), np.array([0, 1]))
  w = w + np.arange(w.shape[1], dtype=np.float32)[:, None] / 10
  with open(tmp_path / 'w.npz', 'wb') as file:
    write_latents(file, Latents('w', w, np.zeros(2, np.int32), ('a', 'b')))
  asked = edit.Asked(
    most=1, latents=str(tmp_path / 'w.npz'), move=(('component1', 1.0),), strengths=(0.0,)
  )
  found = edit.edit(styled, asked)
  np.testing.assert_array_equal(found.before, styled.images_of_styles(w))
  np.testing.assert_allclose(
    found.edited.values - w, np.broadcast_to(found.directions.vectors[0], w.shape), atol=1e-5
  )


@pytest.mark.parametrize('count', [1, 100, 250])
def test_images_that_go_through_a_network_in_parts_are_all_there_in_their_order(count):
  rows = np.arange(count)
  parts = edit._parts(rows)
  np.testing.assert_array_equal(np.concatenate(parts), rows)
  assert max(map(len, parts)) <= 100


@pytest.mark.parametrize(
  ('asked', 'message'),
  [
    ({'by': 'colour'}, '--by=colour: .*accepted: attributes'),
    ({'most': 0}, '--count=0'),
    ({'samples': 0}, '--samples=0'),
    ({'strengths': ()}, '--strengths'),
    ({'by': 'attributes'}, '--by=attributes: needs the data of a run'),
    ({'layers': '0:1'}, '--layers=0:1: accepted: none'),
    ({'move': (('nothing', 1.0),), 'most': 1}, '--move=nothing: unknown; accepted: component1'),
  ],
)
def test_what_cannot_be_is_refused_in_a_line(model, asked, message):
  with pytest.raises(UserError, match=message) as error:
    edit.edit(model, edit.Asked(**asked))
  assert '\n' not in str(error.value)


@pytest.fixture(scope='module')
def own_run(tmp_path_factory):
  """An unconditional run on bright and dark squares, with what a label file says of them."""
  folder = tmp_path_factory.mktemp('squares')
  rng, lines = np.random.default_rng(0), ['file,label,brightness']
  (folder / 'own').mkdir()
  for number in range(400):
    bright = int(rng.integers(40, 216))
    pixels = np.clip(rng.normal(bright, 20, (16, 16)), 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(folder / 'own' / f'{number}.png')
    lines.append(f'{number}.png,{"light" if bright > 128 else "dark"},{bright}')
  (folder / 'labels.csv').write_text('\n'.join(lines))
  asked = options.Options(
    *(str(folder / 'own'), 'squares', str(folder / 'data'), (16, 16)),
    labels=str(folder / 'labels.csv'),
  )
  prepare.prepare(asked, by_name.open_builder)
  config = smoke.get_config()
  config.dataset.name, config.dataset.data_dir = 'squares', str(folder / 'data')
  config.model.conditional = False
  config.evaluate.images = 0
  config.train.images = 64
  train(config, str(folder / 'run'))
  return str(folder / 'run')


@pytest.mark.slow
@pytest.mark.parametrize(('by', 'name'), [('attributes', 'brightness'), ('classes', 'class=light')])
def test_attributes_that_prepare_kept_and_classes_are_raised_along_their_directions(
  own_run, by, name
):
  model = gan_jax.open(own_run)
  asked = edit.Asked(by=by, features='pixels', samples=40, strengths=(-2.0, 0.0, 2.0))
  found = edit.edit(model, asked._replace(move=((name, 2.0),)))
  assert found.about['accuracies'][name] > 0.9
  assert found.after.mean() > found.before.mean()
  place = found.directions.names.index(name)
  shown = found.sheet.reshape(len(found.directions.names), 40, 3, 16, 16, 1)[place]
  low, middle, high = shown.mean(axis=(0, 2, 3, 4))
  assert low < middle < high
  if by == 'classes':
    assert found.directions.names == ('class=dark', 'class=light')
