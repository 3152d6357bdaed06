import io
import zipfile

import nibabel
import numpy as np
import pytest
from PIL import Image

from gan_jax.data.folder import FolderImages
from gan_jax.errors import UserError


def pixels(count, shape=(8, 6, 3), seed=0):
  return np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)


def fill(folder, images, names=None):
  folder.mkdir(parents=True, exist_ok=True)
  for number, image in enumerate(images):
    path = folder / (names[number] if names else f'{number:03d}.png')
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(path)
  return folder


def opened(path, **options):
  return FolderImages(str(path), '--images', **options)


def test_images_come_in_the_order_of_their_names_as_they_are(tmp_path):
  images = pixels(5)
  found = opened(fill(tmp_path / 'a', images))
  assert (len(found), found.shape, found.dtype) == (5, (8, 6, 3), np.uint8)
  np.testing.assert_array_equal(found.fetch([3, 0])['image'], images[[3, 0]])


def test_a_zip_and_an_array_hold_the_same_images_as_the_folder(tmp_path):
  images = pixels(4)
  folder = fill(tmp_path / 'a', images)
  with zipfile.ZipFile(tmp_path / 'a.zip', 'w') as archive:
    for path in sorted(folder.iterdir()):
      archive.write(path, path.name)
  np.save(tmp_path / 'a.npy', images)
  for name in ('a.zip', 'a.npy'):
    np.testing.assert_array_equal(opened(tmp_path / name).fetch(range(4))['image'], images)


def test_without_memory_for_them_images_are_read_when_they_are_asked_for(tmp_path):
  images = pixels(4)
  found = opened(fill(tmp_path / 'a', images), memory_budget_mb=0)
  assert not found.in_memory
  np.testing.assert_array_equal(found.fetch([2, 1])['image'], images[[2, 1]])


def test_the_folder_of_an_image_is_its_class(tmp_path):
  names = ['dog/0.png', 'cat/0.png', 'dog/1.png']
  folder = fill(tmp_path / 'a', pixels(3), names)
  found = opened(folder, by_folder=True)
  assert found.class_names == ['cat', 'dog']
  np.testing.assert_array_equal(found.labels(range(3)), [0, 1, 1])
  with pytest.raises(
    UserError, match=r"class 'cat' is not in the reference; .*accepted: cats, dog"
  ):
    opened(folder, by_folder=True, class_names=['cats', 'dog'])
  with pytest.raises(UserError, match=r'000\.png is in no folder of a class'):
    opened(fill(tmp_path / 'b', pixels(1)), by_folder=True)


def test_numbered_classes_are_in_the_order_of_their_numbers(tmp_path):
  names = [f'{number}/0.png' for number in (10, 2, 1)]
  found = opened(fill(tmp_path / 'a', pixels(3), names), by_folder=True)
  assert found.class_names == ['1', '2', '10']


def test_grey_among_colour_is_taken_as_colour(tmp_path):
  folder = fill(tmp_path / 'a', pixels(2))
  Image.fromarray(np.full((8, 6), 7, np.uint8)).save(folder / '9.png')
  found = opened(folder)
  assert found.shape == (8, 6, 3)
  np.testing.assert_array_equal(found.fetch([2])['image'], 7)


@pytest.mark.parametrize('budget', [0, 64])
def test_another_kind_of_pixels_changes_what_is_read_and_the_fingerprint(tmp_path, budget):
  found = opened(fill(tmp_path / 'a', pixels(2, (8, 6, 1))), memory_budget_mb=budget)
  before, grey = found.fingerprint, found.fetch([0, 1])['image']
  found.convert_to('rgb')
  assert found.shape == (8, 6, 3)
  assert found.fingerprint != before
  np.testing.assert_array_equal(found.fetch([0, 1])['image'], np.repeat(grey, 3, -1))


def test_the_fingerprint_is_of_every_byte_and_name(tmp_path):
  images = pixels(3)
  first = opened(fill(tmp_path / 'a', images)).fingerprint
  assert opened(fill(tmp_path / 'b', images)).fingerprint == first
  images[2, 4, 4, 1] ^= 1
  assert opened(fill(tmp_path / 'c', images)).fingerprint != first


def test_sizes_that_differ_are_refused_with_both_files(tmp_path):
  folder = fill(tmp_path / 'a', pixels(2))
  fill(folder, pixels(1, (9, 6, 3)), ['small/x.png'])
  with pytest.raises(UserError, match=r'000\.png is 6x8, small/x\.png is 6x9; accepted: one size'):
    opened(folder)


def test_files_that_cannot_be_read_are_named_and_counted(tmp_path):
  folder = fill(tmp_path / 'a', pixels(6))
  whole = (folder / '001.png').read_bytes()
  (folder / '001.png').write_bytes(whole[: len(whole) // 2])
  (folder / '002.png').write_bytes(b'')
  (folder / '003.png').write_bytes(b'not an image at all')
  (folder / '004.png').write_bytes(b'')
  with pytest.raises(UserError) as stopped:
    opened(folder)
  message = str(stopped.value)
  assert '\n' not in message
  assert '4 of 6 files cannot be read: 001.png: broken or truncated' in message
  assert '002.png: an empty file; 003.png: of no image format' in message
  assert message.endswith('and 1 more')


def test_a_folder_without_images_and_one_that_is_not_there_are_refused(tmp_path):
  (tmp_path / 'notes.txt').write_text('nothing here')
  with pytest.raises(UserError, match=r'holds no image \(1 files of other kinds\)'):
    opened(tmp_path)
  with pytest.raises(UserError, match=r'^--images=.*there is no such file'):
    opened(tmp_path / 'none')


def test_values_that_are_no_numbers_are_refused(tmp_path):
  images = np.random.default_rng(0).random((3, 8, 6, 3)).astype(np.float32)
  images[1, 2, 3, 0] = np.nan
  np.save(tmp_path / 'a.npy', images)
  with pytest.raises(UserError, match='00000001: holds NaN or infinite values'):
    opened(tmp_path / 'a.npy')


def test_a_file_of_several_images_is_refused(tmp_path):
  path = tmp_path / 'brain.nii'
  volume = np.random.default_rng(0).random((8, 9, 10)).astype(np.float32)
  nibabel.Nifti1Image(volume, np.eye(4)).to_filename(path)
  with pytest.raises(UserError, match='holds several images; prepare it as a dataset'):
    opened(path)


def test_what_cannot_be_taken_out_of_an_archive_is_refused(tmp_path):
  data = io.BytesIO()
  Image.fromarray(pixels(1)[0]).save(data, 'PNG')
  with zipfile.ZipFile(tmp_path / 'a.zip', 'w') as archive:
    archive.writestr('../x.png', data.getvalue())
  with pytest.raises(UserError, match='its path leads out of the archive'):
    opened(tmp_path / 'a.zip')


def test_the_fingerprint_is_of_the_classes_too(tmp_path):
  images, prints = pixels(4), set()
  for number, labels in enumerate(([0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 2, 1])):
    np.savez(tmp_path / f'{number}.npz', images=images, labels=np.array(labels))
    prints.add(opened(tmp_path / f'{number}.npz').fingerprint)
  assert len(prints) == 3


def test_copies_of_another_folders_files_are_counted(tmp_path):
  images = pixels(6)
  one, other = fill(tmp_path / 'a', images[:4]), fill(tmp_path / 'b', images[2:])
  assert opened(one).copies_in(opened(other)) == 2


def test_copies_are_counted_in_the_folder_that_is_asked(tmp_path):
  images = pixels(3)
  one, other = fill(tmp_path / 'a', images), fill(tmp_path / 'b', images[[0, 0, 0, 1]])
  assert opened(one).copies_in(opened(other)) == 2
  assert opened(other).copies_in(opened(one)) == 4


def test_a_label_file_gives_classes_and_attributes(tmp_path):
  folder = fill(tmp_path / 'a', pixels(4))
  table = tmp_path / 'known.csv'
  table.write_text(
    'name,label,age,sex\n000.png,cat,3,f\n001.png,dog,,m\n002.png,cat,7.5,\n003.png,dog,1,m\n'
  )
  found = opened(folder, table=str(table))
  assert found.class_names == ['cat', 'dog']
  np.testing.assert_array_equal(found.labels(range(4)), [0, 1, 0, 1])
  assert found.attribute_names == ('age', 'sex')
  known = found.attributes([1, 0, 2])
  np.testing.assert_array_equal(known['age'], [np.nan, 3, 7.5])
  assert known['sex'].tolist() == ['m', 'f', '']
  assert found.groups([0]) is None
  table.write_text('name,label\n000.png,cat\n')
  with pytest.raises(UserError, match=r'--labels=.*known\.csv: 001\.png has no row in known\.csv'):
    opened(folder, table=str(table))


def test_images_in_no_folder_of_a_class_have_none_where_that_is_allowed(tmp_path):
  folder = fill(tmp_path / 'a', pixels(2))
  found = opened(folder, by_folder=True, class_names=['cat', 'dog'], optional=True)
  assert (found.num_classes, found.attribute_names) == (0, ())
  with pytest.raises(UserError, match='is in no folder of a class'):
    opened(folder, by_folder=True, class_names=['cat', 'dog'])
