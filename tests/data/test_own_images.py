import numpy as np
import pytest
from PIL import Image

from gan_jax.data import attributes, by_name, own_images, source
from gan_jax.data.ingest import options, prepare
from gan_jax.errors import UserError


@pytest.fixture
def folder(tmp_path):
  rng = np.random.default_rng(0)
  for number, (name, size) in enumerate([('a', (40, 24)), ('b', (24, 40)), ('b', (30, 30))]):
    (tmp_path / 'own' / name).mkdir(parents=True, exist_ok=True)
    pixels = rng.integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / 'own' / name / f'{number}.png')
  return tmp_path / 'own'


@pytest.mark.parametrize('how', ['crop', 'pad', 'stretch'])
@pytest.mark.parametrize('channels', ['grey', 'rgb', 'rgba'])
def test_images_are_read_as_prepare_has_read_them(folder, tmp_path, how, channels):
  """A dataset made of the same files has the same pixels, at its own size and at another."""
  data_dir = str(tmp_path / 'data')
  asked = options.Options(
    str(folder), 'mine', data_dir, (20, 16), how, channels, split={'train': 1.0}
  )
  prepare.prepare(asked, by_name.open_builder)
  builder = by_name.open_builder('mine', data_dir)
  records = builder.as_data_source('train')
  places = {record['name'].decode(): row for row, record in enumerate(records)}
  for size in ((20, 16), (12, 12)):
    dataset = source.ImageDataset(builder, 'train', size, 64)
    found = own_images.read(str(folder), '--images', dataset.shape, dataset.dtype, dataset.origin)
    rows = [places[name] for name in found.names]
    np.testing.assert_array_equal(found.images, dataset.fetch(rows)['image'])
  assert found.folders == ('a', 'b', 'b')
  assert attributes.read(builder, 'train') == {}


def test_without_a_note_the_largest_centred_part_is_cut_out(folder):
  found = own_images.read(str(folder), '--images', (10, 10, 1), np.uint8, {})
  with Image.open(folder / 'a' / '0.png') as image:
    left, side = 0, 24
    box = (left, (40 - side) // 2, side, (40 + side) // 2)
    expected = image.resize((10, 10), Image.Resampling.BICUBIC, box=box).convert('L')
  np.testing.assert_allclose(found.images[0, ..., 0], np.asarray(expected), atol=1)


def test_whoever_waits_is_told_how_many_of_the_files_are_read(folder):
  told = []
  options = {'watch': lambda *counts: told.append(counts)}
  own_images.read(str(folder), '--images', (8, 8, 3), np.uint8, {}, **options)
  assert told == [(0, 3), (1, 3), (2, 3)]


def test_links_are_followed_where_that_is_asked_for(folder, tmp_path):
  (tmp_path / 'farm').mkdir()
  (tmp_path / 'farm' / 'b').symlink_to(folder / 'b')
  asked = str(tmp_path / 'farm'), '--images', (8, 8, 3), np.uint8, {}
  with pytest.raises(UserError, match=r'--images=.*; b: a symbolic link .*--follow_links'):
    own_images.read(*asked)
  assert own_images.read(*asked, follow_links=True).names == ('b/1.png', 'b/2.png')


def test_what_cannot_be_read_is_told_and_the_rest_is_taken(folder):
  (folder / 'a' / 'broken.png').write_bytes(b'\x89PNG\r\n\x1a\n')
  found = own_images.read(str(folder), '--images', (8, 8, 3), np.uint16, {})
  assert len(found.images) == 3
  ((name, _),) = found.refused
  assert name == 'a/broken.png'
  for path in folder.rglob('?.png'):
    path.write_bytes(b'')
  with pytest.raises(UserError, match=r'--images=.*: holds no image that can be read; .*empty'):
    own_images.read(str(folder), '--images', (8, 8, 3), np.uint8, {})
  with pytest.raises(UserError, match='--images=nowhere: there is no such'):
    own_images.read('nowhere', '--images', (8, 8, 3), np.uint8, {})
