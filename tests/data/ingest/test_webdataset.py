"""Tars of WebDataset: what `key.cls` and `key.json` say of `key.jpg`."""

import io
import json
import tarfile

import numpy as np
import pytest

from gan_jax.data.ingest import sources
from tests.data.ingest.encoding import noise, png


def tar_of(path, members):
  kind = {'.tgz': 'w:gz', '.xz': 'w:xz'}.get(path.suffix, 'w')
  with tarfile.open(path, kind) as archive:
    for name, data in members.items():
      info = tarfile.TarInfo(name)
      info.size = len(data)
      archive.addfile(info, io.BytesIO(data))
  return path


def opened(path):
  return sources.open_source(str(path), '', None)


def samples(count, about, folder='', ending='png', image_first=True):
  found = {}
  for i in range(count):
    image = {f'{folder}{i:06d}.{ending}': png(noise(i))}
    notes = {f'{folder}{i:06d}.{key}': data for key, data in about(i).items()}
    found |= (image | notes) if image_first else (notes | image)
  return found


@pytest.mark.parametrize('name', ['a.tar', 'a.tgz', 'a.tar.xz', 'shard'])
@pytest.mark.parametrize('folder', ['', './', 'n01/x/'])
@pytest.mark.parametrize('image_first', [True, False])
def test_a_class_beside_each_image_is_its_class(tmp_path, name, folder, image_first):
  members = samples(8, lambda i: {'cls': str(i % 3).encode()}, folder, 'jpg', image_first)
  found = opened(tar_of(tmp_path / name, members))
  assert (len(found.files), found.refused, dict(found.beside)) == (8, [], {})
  order = np.random.default_rng(0).permutation(8).tolist()
  read = {place: found.files[place].read() for place in order}
  for place, file in enumerate(found.files):
    assert read[place] == members[f'{folder}{place:06d}.jpg']
    assert (file.label, dict(file.row)) == (str(place % 3), {'cls': str(place % 3)})


JSONS = [
  ({'label': 'cat', 'age': 3, 'ok': True, 'box': [1, 2]}, {'label': 'cat', 'age': '3', 'ok': '1'}),
  (7, {'label': '7'}),
  ('dog', {'label': 'dog'}),
  ({'class': 'eel', 'note': None}, {'class': 'eel', 'note': ''}),
]


@pytest.mark.parametrize(('data', 'row'), JSONS)
def test_json_beside_an_image_is_its_row(tmp_path, data, row):
  members = samples(2, lambda i: {'json': json.dumps(data).encode()})
  found = opened(tar_of(tmp_path / 'a.tar', members))
  assert [dict(file.row) for file in found.files] == [row] * 2
  assert {file.label for file in found.files} == {row.get('label', row.get('class'))}


def test_captions_are_attributes_and_no_classes(tmp_path):
  about = lambda i: {'txt': b'a cat ', 'cls': b'1'} if i else {'txt': b'a dog'}
  found = opened(tar_of(tmp_path / 'a.tar', samples(2, about)))
  assert [dict(file.row) for file in found.files] == [
    {'txt': 'a dog'},
    {'cls': '1', 'txt': 'a cat'},
  ]
  assert [file.label for file in found.files] == ['', '1']


def test_several_images_of_a_sample_have_its_class(tmp_path):
  members = {'1.left.png': png(noise(0)), '1.right.png': png(noise(1)), '1.cls': b'4'}
  found = opened(tar_of(tmp_path / 'a.tar', members))
  assert [(file.name, file.label) for file in found.files] == [
    ('1.left.png', '4'),
    ('1.right.png', '4'),
  ]


@pytest.mark.parametrize('data', [b'{', b'\xff', b'[' * 9999])
def test_an_image_whose_notes_cannot_be_read_is_refused(tmp_path, data):
  members = samples(2, lambda i: {'json': b'{"label": 1}' if i else data})
  found = opened(tar_of(tmp_path / 'a.tar', members))
  assert [file.name for file in found.files] == ['000001.png']
  [(name, reason)] = found.refused
  assert name == '000000.png'
  assert reason.startswith('000000.json cannot be read: ')


def test_label_files_and_texts_of_no_image_stay_beside(tmp_path):
  members = {'a/1.png': png(noise(0)), 'a/labels.json': b'{}', 'readme.txt': b'', 'b/1.json': b'{}'}
  found = opened(tar_of(tmp_path / 'a.tar', members))
  assert list(found.beside) == ['a/labels.json', 'readme.txt', 'b/1.json']
  assert found.beside['a/labels.json']() == b'{}'
  assert [dict(file.row) for file in found.files] == [{}]


def test_shards_in_a_folder_are_read_one_after_the_other(tmp_path):
  for shard in range(3):
    tar_of(tmp_path / f'shard-{shard:06d}.tar', samples(4, lambda i: {'cls': str(i).encode()}))
  found = opened(tmp_path)
  assert [file.name for file in found.files][:5] == [
    *(f'shard-000000/{i:06d}.png' for i in range(4)),
    'shard-000001/000000.png',
  ]
  assert [file.label for file in found.files] == list('0123') * 3
