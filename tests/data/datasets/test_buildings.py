import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from gan_jax.data.datasets import buildings
from tests.data.datasets import trees

ARCHIVE = 'packages/ufoai-textures/usr/share/games/ufoai/base/0textures.pk3'
SHAPE = (256, 256, 3)


def plain(height, width):
  """Grey of 100, but for grain too fine to be a texture."""
  return np.full((height, width, 3), 100, np.uint8) + trees.noise(0, (height, width, 1)) % 4


def seen_through():
  pixels = trees.noise(1, (256, 256, 4)) | [0, 0, 0, 255]
  pixels[0, 0, 3] = 200
  return pixels


TEXTURES = {
  'tex_buildings/wall_brick01.png': trees.noise(2, (256, 256, 3)),
  'tex_buildings/wall_brick02b.png': trees.noise(3, (256, 256, 3)),
  'tex_doors/door001.png': trees.noise(4, (512, 256, 3)),
  'tex_doors/strip.png': trees.noise(5, (128, 450, 3)),
  'tex_mattn/opaque.png': trees.noise(6, (128, 128, 4)) | np.array([0, 0, 0, 255], np.uint8),
  'tex_mattn/grey.png': trees.noise(7, (128, 128)),
  'tex_mattn/dung.png': trees.noise(8, (256, 256, 3)),
  'tex_mattn/dung2.png': trees.noise(9, (256, 256, 3)),
  **{f'tex_nature/{w}.png': trees.noise(10, (256, 256, 3)) for w in ('rock1', 'rock2', 'soil')},
}
LEFT_OUT = {
  'tex_buildings/wall_brick01_nm.png': trees.noise(2, (256, 256, 3)),
  'tex_buildings/wall_brick01_gm.png': trees.noise(2, (256, 256, 3)),
  'tex_buildings/wall_brick01_sm.png': trees.noise(2, (256, 256, 3)),
  'tex_buildings/wall_brick01_rm.png': trees.noise(2, (256, 256, 3)),
  'tex_buildings/plain.png': plain(256, 256),
  'tex_buildings/glass.png': seen_through(),
  'tex_buildings/small.png': trees.noise(3, (512, 127, 3)),
  'tex_tech/screen.png': trees.noise(3, (256, 256, 3)),  # of no folder that is read
}


@pytest.fixture
def prepared(tmp_path):
  path = tmp_path / ARCHIVE
  path.parent.mkdir(parents=True)
  with zipfile.ZipFile(path, 'w') as file:
    for name, pixels in {**TEXTURES, **LEFT_OUT}.items():
      file.writestr(f'textures/{name}', trees.encode(pixels.astype(np.uint8)))
    file.writestr(
      'textures/tex_mattn/photo.jpg', trees.encode(TEXTURES['tex_mattn/dung.png'], 'JPEG')
    )
    file.writestr('textures/tex_mattn/wall.txt', 'words')
  return trees.prepare('buildings', tmp_path)


def test_textures_are_kept_but_maps_plain_transparent_and_small_ones(prepared):
  examples, builder = prepared
  squares = {name.removesuffix('.png'): 1 for name in [*TEXTURES, 'tex_mattn/photo']}
  squares |= {'tex_doors/door001': 2, 'tex_doors/strip': 3}
  assert sorted(examples) == sorted(
    f'{n}#{i}' for n, count in squares.items() for i in range(count)
  )
  trees.assert_whole(examples, builder, SHAPE, np.uint8)
  names = builder.info.features['label'].names
  assert all(names[e['label']] == name.split('/')[0] for name, e in examples.items())


def test_a_texture_of_the_size_is_kept_pixel_by_pixel_and_a_long_one_is_cut_into_squares(prepared):
  examples, _ = prepared
  image = lambda name: examples[name]['image']
  brick, door = TEXTURES['tex_buildings/wall_brick01.png'], TEXTURES['tex_doors/door001.png']
  np.testing.assert_array_equal(image('tex_buildings/wall_brick01#0'), brick)
  np.testing.assert_array_equal(image('tex_doors/door001#0'), door[:256])
  np.testing.assert_array_equal(image('tex_doors/door001#1'), door[256:])
  photo = np.asarray(Image.open(io.BytesIO(trees.encode(TEXTURES['tex_mattn/dung.png'], 'JPEG'))))
  np.testing.assert_array_equal(image('tex_mattn/photo#0'), photo)


def test_smaller_squares_are_scaled_up_alike_in_every_channel(prepared):
  examples, _ = prepared
  strip = TEXTURES['tex_doors/strip.png']
  for number in range(3):
    square = strip[:, 128 * number : 128 * (number + 1)]
    planes = [Image.fromarray(square[..., c]).resize((256, 256), Image.BICUBIC) for c in range(3)]
    np.testing.assert_array_equal(
      examples[f'tex_doors/strip#{number}']['image'], np.stack(planes, -1)
    )
  grey = examples['tex_mattn/grey#0']['image']
  np.testing.assert_array_equal(grey, np.repeat(grey[..., :1], 3, axis=-1))


def test_all_of_a_series_are_one_group(prepared):
  examples, _ = prepared
  group = lambda name: examples[name]['group']
  assert group('tex_buildings/wall_brick01#0') == group('tex_buildings/wall_brick02b#0')
  assert group('tex_doors/door001#0') == group('tex_doors/door001#1')
  assert group('tex_mattn/dung#0') == group('tex_mattn/dung2#0')
  assert group('tex_nature/rock1#0') == group('tex_nature/rock2#0') != group('tex_nature/soil#0')


@pytest.mark.parametrize(
  ('names', 'series'),
  [
    ('wall007 wall007_2 wall064st wall wall_bricks003', 'wall'),
    ('e8_mtlwall1 e8_mtlwall3b', 'e8_mtlwall'),
    ('e8crete03 e8crete03cc e8crete_pillarb', 'e8crete'),
    ('9techwall01 9techwall03b', '9techwall'),
    ('t_wll_fnctrm t_wll_fnctrm2 t_wll_fnctrm_ow', 't_wll'),
    ('q1metal7_99 q1metal7_99_broke', 'q1metal'),
    ('a_1', 'a_1'),
  ],
)
def test_the_series_is_the_first_word_of_the_name(names, series):
  assert {buildings._series(name) for name in names.split()} == {series}
