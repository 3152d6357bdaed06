import io
import os
import stat
import tarfile
import unicodedata
import zipfile

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from gan_jax.data.ingest import sources
from gan_jax.errors import UserError

FILES = {'b/2.png': b'two', 'a/1.png': b'one', 'a b/ü 3.png': b'three'}
NFC, NFD = (unicodedata.normalize(form, 'Åé.png') for form in ('NFC', 'NFD'))


def opened(source, open_tfds=None):
  return sources.open_source(str(source), '', open_tfds)


def contents(source):
  return {file.name: file.read() for file in source.files}


def refusal(source, open_tfds=None):
  with pytest.raises(UserError) as refused:
    opened(source, open_tfds)
  assert '\n' not in str(refused.value)
  assert str(refused.value).startswith('--source=')
  return str(refused.value)


def folder_of(root, files):
  for name, data in files.items():
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
  return root


def zip_of(path, members):
  """Members are (name or ZipInfo, data)."""
  with zipfile.ZipFile(path, 'w') as archive:
    for name, data in members:
      archive.writestr(name, data)
  return path


def tar_of(path, members, mode='w'):
  """Members are (name, data) or TarInfo."""
  with tarfile.open(path, mode) as archive:
    for member in members:
      if isinstance(member, tarfile.TarInfo):
        archive.addfile(member)
        continue
      info = tarfile.TarInfo(member[0])
      info.size = len(member[1])
      archive.addfile(info, io.BytesIO(member[1]))
  return path


def special(name, kind, target=''):
  info = tarfile.TarInfo(name)
  info.type, info.linkname = kind, target
  return info


def packed(kind, path, files):
  if kind == 'folder':
    return folder_of(path / 'folder', files)
  if kind == 'zip':
    return zip_of(path / 'a.zip', files.items())
  return tar_of(path / f'a.{kind}', files.items(), f'w:{kind[4:]}')


KINDS = ['folder', 'zip', 'tar', 'tar.gz', 'tar.xz']


@pytest.mark.parametrize('kind', KINDS)
def test_files_of_folders_and_archives_are_read(tmp_path, kind):
  source = opened(packed(kind, tmp_path, FILES))
  assert contents(source) == FILES
  assert (source.refused, dict(source.beside)) == ([], {})


@pytest.mark.parametrize('kind', KINDS)
def test_what_lies_beside_images_is_told_apart_and_can_be_read(tmp_path, kind):
  beside = {'labels.csv': b'x', 'a/README.md': b'y', 'DICOMDIR': b'z', 'a/.hidden': b'h'}
  hidden = {'.git/1.png': b'', '__MACOSX/a/._1.png': b'', 'a/.cache/1.png': b''}
  source = opened(packed(kind, tmp_path, FILES | beside | hidden))
  assert contents(source) == FILES
  assert {name: read() for name, read in source.beside.items()} == beside
  assert source.refused == []


def test_a_folder_is_read_in_one_order_and_an_archive_in_its_own(tmp_path):
  assert [file.name for file in opened(folder_of(tmp_path / 'f', FILES)).files] == sorted(FILES)
  assert list(contents(opened(zip_of(tmp_path / 'a.zip', FILES.items())))) == list(FILES)


def test_a_single_file_is_a_source(tmp_path):
  path = folder_of(tmp_path, {'scan.nii': b'data'}) / 'scan.nii'
  assert contents(opened(path)) == {'scan.nii': b'data'}


@pytest.mark.parametrize('kind', ['folder', 'zip', 'tar'])
def test_composed_and_decomposed_names_are_one(tmp_path, kind):
  source = opened(packed(kind, tmp_path, {NFD: b'one'}))
  assert contents(source) == {NFC: b'one'}
  (tmp_path / 'both').mkdir()
  source = opened(packed(kind, tmp_path / 'both', {NFC: b'same', NFD: b'same'}))
  assert contents(source) == {NFC: b'same'}
  assert source.refused == [(NFC, 'a second file of that name')]


def test_names_that_are_not_utf_8_or_break_lines_are_shown_and_stay_apart(tmp_path):
  names = [b'\xff.png', b'\xfe.png', b'a\nb\x1b[1m.png']
  for i, name in enumerate(names):
    (tmp_path / os.fsdecode(name)).write_bytes(bytes([i]))
  expected = {'\\xff.png': b'\0', '\\xfe.png': b'\1', 'a\\x0ab\\x1b[1m.png': b'\2'}
  assert contents(opened(tmp_path)) == expected
  path = tmp_path.with_suffix('.tar')
  members = [(os.fsdecode(name), bytes([i])) for i, name in enumerate(names)]
  with tarfile.open(path, 'w', format=tarfile.GNU_FORMAT) as archive:
    for name, data in members:
      info = tarfile.TarInfo(name)
      info.size = 1
      archive.addfile(info, io.BytesIO(data))
  assert contents(opened(path)) == expected


def test_links_and_what_is_no_file_are_listed_and_not_followed(tmp_path):
  outside = folder_of(tmp_path / 'outside', {'secret.png': b'secret'})
  root = folder_of(tmp_path / 'root', {'a/1.png': b'one'})
  (root / 'inner.png').symlink_to(root / 'a/1.png')
  (root / 'outer.png').symlink_to(outside / 'secret.png')
  (root / 'lost.png').symlink_to(root / 'nothing')
  (root / 'loop.png').symlink_to(root / 'loop.png')
  (root / 'linked').symlink_to(outside)
  (root / 'above').symlink_to(tmp_path)
  os.mkfifo(root / 'pipe.png')
  source = opened(root)
  assert contents(source) == {'a/1.png': b'one', 'inner.png': b'one'}
  assert source.refused == [
    ('above', 'a symbolic link to a folder; --follow_links follows it'),
    ('linked', 'a symbolic link to a folder; --follow_links follows it'),
    ('loop.png', 'a symbolic link to nothing'),
    ('lost.png', 'a symbolic link to nothing'),
    ('outer.png', 'a symbolic link out of the folder; --follow_links follows it'),
    ('pipe.png', 'not a regular file'),
  ]


def test_the_source_itself_may_be_a_link(tmp_path):
  root = folder_of(tmp_path / 'root', FILES)
  (tmp_path / 'link').symlink_to(root)
  assert contents(opened(tmp_path / 'link')) == FILES


OUT = ['../x.png', 'a/../../x.png', '/etc/x.png', '..\\x.png', 'C:\\x.png', 'C:/x.png']


@pytest.mark.parametrize('kind', ['zip', 'tar', 'tar.gz'])
def test_paths_out_of_an_archive_are_refused(tmp_path, kind):
  source = opened(packed(kind, tmp_path, dict.fromkeys(OUT, b'') | {'a..b.png': b'1'}))
  assert contents(source) == {'a..b.png': b'1'}
  # Names in a zip have `/` alone, whatever the program that wrote it took for it.
  names = [name.replace('\\', '/') if kind == 'zip' else name for name in OUT]
  assert source.refused == [(name, 'its path leads out of the archive') for name in names]


@pytest.mark.parametrize('kind', ['folder', 'zip', 'tar'])
def test_a_colon_in_a_name_is_no_drive(tmp_path, kind):
  assert contents(opened(packed(kind, tmp_path, {'12:30.png': b'noon'}))) == {'12:30.png': b'noon'}


def test_links_in_archives_are_refused(tmp_path):
  link = zipfile.ZipInfo('link.png')
  link.external_attr = (stat.S_IFLNK | 0o777) << 16
  source = opened(zip_of(tmp_path / 'a.zip', [(link, '/etc/passwd'), ('1.png', b'one')]))
  assert contents(source) == {'1.png': b'one'}
  assert source.refused == [('link.png', 'a symbolic link')]
  members = [
    ('1.png', b'one'),
    special('soft.png', tarfile.SYMTYPE, '/etc/passwd'),
    special('hard.png', tarfile.LNKTYPE, '1.png'),
    special('pipe.png', tarfile.FIFOTYPE),
    special('device.png', tarfile.CHRTYPE),
    # Nothing says of these by their names what they are: of files they would be looked into.
    *(special('soft', tarfile.SYMTYPE, '/etc/passwd'), special('lost', tarfile.SYMTYPE, 'none')),
    *(special('hard', tarfile.LNKTYPE, '1.png'), special('pipe', tarfile.FIFOTYPE)),
    special('folder', tarfile.DIRTYPE),
  ]
  source = opened(tar_of(tmp_path / 'a.tar', members))
  assert contents(source) == {'1.png': b'one'}
  assert source.refused == [
    ('soft.png', 'a link'),
    ('hard.png', 'a link'),
    ('pipe.png', 'not a regular file'),
    ('device.png', 'not a regular file'),
    *(('soft', 'a link'), ('lost', 'a link'), ('hard', 'a link'), ('pipe', 'not a regular file')),
  ]


@pytest.mark.filterwarnings('ignore:Duplicate name')
def test_of_a_name_that_an_archive_has_twice_the_first_is_taken(tmp_path):
  members = [('1.png', b'one'), ('./1.png', b'two'), ('1.png', b'three')]
  for path in (zip_of(tmp_path / 'a.zip', members), tar_of(tmp_path / 'a.tar', members)):
    source = opened(path)
    assert contents(source) == {'1.png': b'one'}
    assert source.refused == [('1.png', 'a second file of that name')] * 2


def test_an_encrypted_file_is_refused(tmp_path):
  path = zip_of(tmp_path / 'a.zip', [('1.png', b'one')])
  data = bytearray(path.read_bytes())
  data[data.index(b'PK\1\2') + 8] |= 1  # the flag in the directory of the archive
  path.write_bytes(data)
  assert opened(path).refused == [('1.png', 'encrypted')]


def test_a_member_that_claims_an_incredible_size_is_refused(tmp_path):
  info = tarfile.TarInfo('1.png')
  info.size = 2**40
  path = tmp_path / 'a.tar'
  with open(path, 'wb') as file:
    file.write(info.tobuf() + bytes(1024))
    file.truncate(2**40 + 4096)  # sparse
  [(name, reason)] = opened(path).refused
  assert (name, reason) == ('1.png', '1,099,511,627,776 bytes; at most 1,073,741,824')


@pytest.mark.parametrize('kind', ['zip', 'tar', 'tar.gz', 'tar.xz', 'tar.bz2'])
@pytest.mark.parametrize('part', [0, 0.4, 0.8])
def test_an_archive_cut_short_is_refused(tmp_path, kind, part):
  noise = np.random.default_rng(0).bytes
  path = packed(kind, tmp_path, {f'{i}.png': noise(2000) for i in range(20)})
  os.truncate(path, int(part * path.stat().st_size))
  assert 'cannot be read: ' in (found := refusal(path)) or 'broken or truncated' in found


def test_an_archive_whose_middle_is_spoilt_is_refused_or_names_what_is(tmp_path):
  noise = np.random.default_rng(0).bytes
  files = {f'{i:02d}.png': noise(3000) for i in range(20)}
  for kind in ('zip', 'tar.gz'):
    path = packed(kind, tmp_path, files)
    data = bytearray(path.read_bytes())
    data[30_000:30_200] = bytes(200)
    path.write_bytes(data)
    if kind == 'tar.gz':
      assert 'cannot be read: ' in refusal(path)
      continue
    spoilt = 0
    for file in opened(path).files:
      try:
        assert file.read() == files[file.name]
      except zipfile.BadZipFile:
        spoilt += 1
    assert spoilt == 1


def test_a_zip_whose_names_are_not_what_it_says_is_refused_in_one_line(tmp_path):
  path = zip_of(tmp_path / 'a.zip', [('ü.png', b'one')])
  path.write_bytes(path.read_bytes().replace('ü'.encode(), b'\xff\xff'))
  assert 'cannot be read: ' in refusal(path)


def test_a_compressed_tar_is_read_onwards_whatever_the_order_of_asking(tmp_path, monkeypatch):
  files = {f'{i}.png': bytes([i]) for i in range(20)}
  source = opened(tar_of(tmp_path / 'a.tar.gz', files.items(), 'w:gz'))
  places = []
  extract = tarfile.TarFile.extractfile
  monkeypatch.setattr(
    tarfile.TarFile,
    'extractfile',
    lambda self, member: places.append(member.offset) or extract(self, member),
  )
  order = [1, 0, 2, 5, 4, 3, 9, 6, 7, 8]
  assert [source.files[i].read() for i in order] == [bytes([i]) for i in order]
  assert places == sorted(places)
  assert source.files[0].read() == b'\0'  # a second time


def test_what_is_not_there_or_no_file_is_refused_in_one_line(tmp_path):
  os.mkfifo(tmp_path / 'pipe')
  assert 'no such file or folder; accepted: ' in refusal(tmp_path / 'none')
  assert 'no such file or folder' in refusal('~nobody_of_that_name/x')
  assert 'no such file or folder' in refusal('x' * 5000)
  assert refusal(tmp_path / 'pipe').endswith('neither a regular file nor a folder')


def test_a_stamp_changes_with_the_file(tmp_path):
  root = folder_of(tmp_path, FILES)
  stamps = lambda: {file.name: file.stamp for file in opened(root).files}
  before = stamps()
  assert before == stamps()
  os.utime(root / 'a/1.png', ns=(1, 1))
  (root / 'b/2.png').write_bytes(b'longer')
  changed = {name for name, stamp in stamps().items() if stamp != before[name]}
  assert changed == {'a/1.png', 'b/2.png'}


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize('shape', [(3, 4, 5), (3, 4, 5, 1), (3, 4, 5, 3), (3, 4, 5, 4)])
def test_arrays_are_images_row_by_row(tmp_path, dtype, shape):
  images = np.random.default_rng(0).uniform(0, 200, shape).astype(dtype)
  np.save(tmp_path / 'a.npy', images)
  np.savez(tmp_path / 'a.npz', images=images, labels=[5, 7, 5])
  for name, labels in (('a.npy', ['', '', '']), ('a.npz', ['5', '7', '5'])):
    source = opened(tmp_path / name)
    assert [(file.name, file.label) for file in source.files] == [
      (f'{i:08d}', label) for i, label in enumerate(labels)
    ]
    read = np.stack([file.read() for file in source.files])
    np.testing.assert_array_equal(read, images.reshape(*shape[:3], -1))
    assert read.dtype == dtype


@pytest.mark.parametrize(
  ('arrays', 'reason'),
  [
    ({'x': np.zeros((2, 3, 4, 2))}, r'shape (2, 3, 4, 2); accepted: [N, H, W]'),
    ({'x': np.zeros(7)}, 'shape (7,); accepted'),
    ({'x': np.zeros((0, 4, 5))}, 'shape (0, 4, 5, 1); accepted'),
    ({'x': np.zeros((2, 0, 5))}, 'shape (2, 0, 5, 1); accepted'),
    (
      {'other': np.zeros((2, 4, 4))},
      'holds other; the images are looked for as images, image, imgs',
    ),
    ({'x': np.zeros((9, 7, 3))}, 'may be one image in colour or many grey ones'),
    ({'x': np.zeros((2, 4, 5)), 'y': np.zeros(3)}, '2 images and 3 labels'),
    ({'x': np.zeros((2, 4, 5)), 'y': np.zeros((3, 5))}, '2 images and 3 labels'),
    ({'x': np.zeros((2, 4, 5)), 'y': np.array([{}, 1])}, 'Object arrays cannot be loaded'),
    ({'x': np.array([{}, 1])}, 'Object arrays cannot be loaded'),
  ],
)
def test_arrays_that_are_no_images_are_refused(tmp_path, arrays, reason):
  np.savez(tmp_path / 'a.npz', **arrays)
  assert reason in refusal(tmp_path / 'a.npz')


def test_arrays_that_are_not_taken_are_told_of(tmp_path):
  arrays = {'x': np.zeros((4, 6, 5)), 'y': np.arange(4), 'masks': np.zeros((4, 6, 5))}
  np.savez(tmp_path / 'a.npz', **arrays)
  source = opened(tmp_path / 'a.npz')
  assert len(source.files) == 4
  assert list(source.beside) == ['masks']


@pytest.mark.parametrize('name', ['a.npy', 'a.npz'])
@pytest.mark.parametrize('data', [b'', b'text', b'PK\3\4', b'\x93NUMPY\1\0', b'\x80\4N.'])
def test_files_that_are_no_arrays_are_refused(tmp_path, name, data):
  (tmp_path / name).write_bytes(data)
  assert 'cannot be read: ' in refusal(tmp_path / name)


def test_an_array_of_objects_or_cut_short_is_refused(tmp_path):
  np.save(tmp_path / 'a.npy', np.array([{}, 1]))
  assert 'cannot be read: ' in refusal(tmp_path / 'a.npy')
  np.save(tmp_path / 'a.npy', np.zeros((9, 8, 8)))
  os.truncate(tmp_path / 'a.npy', 1000)
  assert 'cannot be read: ' in refusal(tmp_path / 'a.npy')


def png(value):
  file = io.BytesIO()
  Image.fromarray(np.full((4, 5, 3), value, np.uint8)).save(file, 'PNG')
  return file.getvalue()


class Animals(tfds.core.GeneratorBasedBuilder):
  """Five pictures in two splits; the class of one of them is not known."""

  VERSION = tfds.core.Version('1.0.0')
  key = 'image'

  def _info(self):
    image = tfds.features.Image(shape=(4, 5, 3))
    label = tfds.features.ClassLabel(names=['cat', 'dog'])
    return self.dataset_info_from_configs(
      features=tfds.features.FeaturesDict({self.key: image, 'label': label})
    )

  def _split_generators(self, dl_manager):
    return {'train': self._generate_examples(range(3)), 'test': self._generate_examples((3, 4))}

  def _generate_examples(self, values):
    for i in values:
      yield i, {self.key: io.BytesIO(png(i)), 'label': -1 if i == 4 else i % 2}


class Sounds(Animals):
  """Has no feature of the name."""

  VERSION = tfds.core.Version('1.0.0')
  key = 'picture'


def prepared(builder, **options):
  builder.download_and_prepare(**options)
  return builder


def test_a_tfds_dataset_is_read_with_its_classes_and_splits(tmp_path):
  builder = prepared(Animals(data_dir=tmp_path), file_format='array_record')
  asked = []
  source = sources.open_source('tfds:animals', 'there', lambda *name: asked.append(name) or builder)
  assert asked == [('animals', 'there')]
  found = {file.read(): (file.label, file.split) for file in source.files}
  assert found == {
    png(0): ('cat', 'train'),
    png(1): ('dog', 'train'),
    png(2): ('cat', 'train'),
    png(3): ('dog', 'test'),
    png(4): ('', 'test'),
  }
  assert len({file.name for file in source.files}) == 5


def test_a_tfds_dataset_without_images_or_in_other_files_is_refused(tmp_path):
  sounds = prepared(Sounds(data_dir=tmp_path), file_format='array_record')
  assert refusal('tfds:sounds', lambda *name: sounds).endswith('has no feature `image`')
  records = prepared(Animals(data_dir=tmp_path), file_format='array_record')

  def unreadable(*args, **options):  # as of TFRecord files, which need TensorFlow to be written
    raise NotImplementedError('random access')

  records.as_data_source = unreadable
  assert refusal('tfds:animals', lambda *name: records).endswith('is not in ArrayRecord files')
