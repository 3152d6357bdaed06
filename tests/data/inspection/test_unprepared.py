"""Images are looked at before they are prepared."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gan_jax.data.ingest import decode, sources
from gan_jax.data.inspection.inspect import inspect
from gan_jax.data.inspection.text import findings
from gan_jax.data.inspection.unprepared import SPLIT, Unprepared
from gan_jax.errors import UserError


@pytest.fixture
def folder(tmp_path):
  rng = np.random.default_rng(0)
  for number in range(12):
    place = tmp_path / 'photos' / ('cats', 'dogs')[number % 2]
    place.mkdir(parents=True, exist_ok=True)
    size = (20, 30, 3) if number < 8 else (16, 16, 3)
    Image.fromarray(rng.integers(0, 256, size, np.uint8)).save(place / f'{number}.png')
  (tmp_path / 'photos' / 'cats' / 'broken.jpg').write_bytes(b'no image')
  return tmp_path / 'photos'


def opened(path):
  return inspect(Unprepared(str(path), None))


def test_a_folder_is_counted_by_size_and_class_and_what_is_broken_is_named(folder):
  found = opened(folder)
  (split,) = found.splits
  assert found.class_names == ('cats', 'dogs')
  assert (split.total, split.class_counts) == (13, (7, 6))
  assert split.sizes == {(20, 30): 8, (16, 16): 4}
  assert [bad.name for bad in split.unreadable] == ['cats/broken.jpg']
  assert any('unreadable' in sentence for sentence in findings(found))


def test_of_images_in_order_nothing_is_found(folder):
  (folder / 'cats' / 'broken.jpg').unlink()
  assert findings(opened(folder)) == []


def test_where_no_image_can_be_read_there_are_no_moments(tmp_path):
  (tmp_path / 'broken.jpg').write_bytes(b'no image')
  (split,) = opened(tmp_path).splits
  assert (split.mean, split.std, len(split.unreadable)) == ((), (), 1)


def test_an_archive_and_an_array_are_looked_at_as_well(folder, tmp_path):
  with zipfile.ZipFile(tmp_path / 'photos.zip', 'w') as archive:
    for path in folder.rglob('*.png'):
      archive.write(path, str(path.relative_to(folder)))
  (split,) = opened(tmp_path / 'photos.zip').splits
  assert (split.total, len(split.unreadable)) == (12, 0)
  np.save(tmp_path / 'images.npy', np.zeros((5, 8, 8, 3), np.uint8))
  (split,) = opened(tmp_path / 'images.npy').splits
  assert (split.total, split.blank, split.sizes) == (5, 5, {(8, 8): 5})


def test_images_are_looked_at_as_they_will_be_prepared(tmp_path):
  values = np.random.default_rng(0).integers(0, 65536, (6, 8), np.uint16)
  Image.fromarray(values).save(tmp_path / 'a.tif', tiffinfo={262: 0})  # white is zero
  exif = Image.Exif()
  exif[0x0112] = 6
  Image.fromarray((values >> 8).astype(np.uint8)).save(tmp_path / 'b.png', exif=exif)
  text = PngInfo()
  text.add_text('Comment', 'x' * 2**21, zip=True)  # more than Pillow unpacks
  Image.fromarray((values >> 8).astype(np.uint8)).save(tmp_path / 'c.png', pnginfo=text)
  records = Unprepared(str(tmp_path), None).as_data_source(SPLIT)
  read = lambda row: np.asarray(Image.open(io.BytesIO(records[row]['image'])))
  for row, file in enumerate(sources.open_source(str(tmp_path), '', None).files):
    [picture] = decode.read(file.name, file.read(), decode.Medical())
    np.testing.assert_array_equal(read(row), picture.pixels[..., 0])


@pytest.mark.parametrize('kind', ['png', 'jpg', 'bmp'])
def test_what_pillow_reads_as_it_will_be_prepared_is_handed_on_as_it_is_stored(tmp_path, kind):
  pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
  Image.fromarray(pixels).save(tmp_path / f'a.{kind}')
  records = Unprepared(str(tmp_path), None).as_data_source(SPLIT)
  assert records[0]['image'] == (tmp_path / f'a.{kind}').read_bytes()


def test_what_is_not_there_is_refused(tmp_path):
  with pytest.raises(UserError, match='there is no such file or folder'):
    opened(tmp_path / 'nowhere')
