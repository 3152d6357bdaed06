"""Layouts of data sets that people have, prepared to the pixels and classes that they hold."""

import io
import json
import re
import shlex
import tarfile
import zipfile

import nibabel
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from gan_jax import progress
from gan_jax.data import by_name
from gan_jax.data.folder import FolderImages
from gan_jax.data.ingest import prepare
from gan_jax.data.ingest.options import Options
from gan_jax.data.inspection.unprepared import Unprepared
from gan_jax.errors import UserError
from tests.data.ingest.encoding import fill, noise, npy, png


@pytest.fixture
def make(tmp_path):
  """Prepares `own` of a source."""

  def prepared(where, **options):
    asked = {'source': str(where), 'name': 'own', 'data_dir': str(tmp_path / 'data')} | options
    return prepare.prepare(Options(**asked), by_name.open_builder)

  return prepared


def read(made):
  """Of each name the split, the class and the pixels, as TFDS and Pillow alone read them."""
  builder = tfds.builder_from_directory(made.folder)
  skip = {'image': tfds.decode.SkipDecoding()}
  found = {}
  for split in builder.info.splits:
    for record in builder.as_data_source(split, decoders=skip):
      names = builder.info.features['label'].names if 'label' in record else None
      label = names[int(record['label'])] if names else ''
      pixels = np.asarray(Image.open(io.BytesIO(record['image'])))
      found[record['name'].decode()] = split, label, pixels.tobytes(), record
  return found


def check(made, expected):
  """Compares with (split, class, pixels) by name."""
  found = read(made)
  assert set(found) == set(expected)
  for name, (split, label, pixels) in expected.items():
    assert found[name][:3] == (split, label, np.asarray(pixels).tobytes()), name


def zip_of(path, members):
  with zipfile.ZipFile(path, 'w') as archive:
    for name, data in members.items():
      archive.writestr(name, data)
  return path


def tar_of(path, members):
  path.parent.mkdir(parents=True, exist_ok=True)
  with tarfile.open(path, 'w') as archive:
    for name, data in members.items():
      info = tarfile.TarInfo(name)
      info.size = len(data)
      archive.addfile(info, io.BytesIO(data))


SPLITS = [
  ('archive/Training/{}', 'archive/Testing/{}'),
  ('seg_train/seg_train/{}', 'seg_test/seg_test/{}'),
  ('dataset/training_set/training_set/{}', 'dataset/test_set/test_set/{}'),
  ('{}/train', '{}/test'),
]


@pytest.mark.parametrize('where', SPLITS)
@pytest.mark.parametrize('packed', [False, True])
def test_splits_by_other_names_keep_their_images_and_classes(make, tmp_path, where, packed):
  files, expected = {}, {}
  for place, split in zip(where, ('train', 'test'), strict=True):
    for k, kind in enumerate(('cat', 'dog')):
      for i in range(3 if split == 'train' else 2):
        pixels = noise(100 * len(split) + 10 * k + i)
        name = f'{place.format(kind)}/{i}.png'
        files[name], expected[name] = png(pixels), (split, kind, pixels)
  zipped = packed and zip_of(tmp_path / 'a.zip', files)
  made = make(zipped or fill(tmp_path / 'a', files), labels='folders')
  check(made, expected)
  folder = zipped or tmp_path / 'a'
  assert Unprepared(str(folder), None).info.features['label'].names == ['cat', 'dog']
  assert FolderImages(str(folder), '--images', by_folder=True).class_names == ['cat', 'dog']


def test_what_lies_beside_splits_is_refused_by_name_or_divided_with_the_rest(make, tmp_path):
  names = [f'{s}/{c}/{i}.png' for s in ('train', 'test') for c in 'ab' for i in range(3)]
  files = {name: png(noise(i)) for i, name in enumerate([*names, 'extra/x.png', 'y.png'])}
  folder = fill(tmp_path / 'a', files)
  made = make(folder, labels='folders')
  assert made.report['splits'] == {'train': 6, 'test': 6}
  why = 'lies beside the folders that are splits, such as train and test'
  assert made.report['refusals'] == [['extra/x.png', why], ['y.png', why]]
  made = make(folder, split={'train': 0.5, 'other': 0.5}, overwrite=True)
  assert made.report['images'] == 14


TREES = [
  ['cats/black/1.png', 'cats/white/2.png', 'dogs/black/3.png'],
  ['all/1/1.png', 'all/2/1.png', 'all/10/1.png'],
  ['x y/1.png', 'x  z/1.png', 'x  z/sub/2.png'],
  ['Train/a/1.png', 'Train/b/2.png', 'Valid/a/3.png', 'Valid/b/4.png'],
]


@pytest.mark.parametrize('names', TREES)
def test_preparing_scoring_and_looking_see_the_same_classes(make, tmp_path, names):
  folder = fill(tmp_path / 'a', {name: png(noise(i)) for i, name in enumerate(names)})
  made = make(folder, labels='folders')
  classes = tfds.builder_from_directory(made.folder).info.features['label'].names
  images = FolderImages(str(folder), '--images', by_folder=True)
  assert images.class_names == classes
  assert Unprepared(str(folder), None).info.features['label'].names == classes
  by_name = {name: label for name, (_, label, _, _) in read(made).items()}
  assert by_name == {
    n: classes[k] for n, k in zip(images.paths, images.labels(range(len(names))), strict=True)
  }


@pytest.mark.parametrize('packed', [False, True])
def test_an_image_folder_of_hugging_face_has_its_metadata_in_each_split(make, tmp_path, packed):
  files, expected = {}, {}
  for split in ('train', 'test'):
    lines = []
    for i in range(4):
      pixels, label = noise(10 * len(split) + i), ('cat', 'dog')[(i + len(split)) % 2]
      files[f'{split}/{i:04d}.png'] = png(pixels)
      expected[f'{split}/{i:04d}.png'] = split, label, pixels
      lines.append(json.dumps({'file_name': f'{i:04d}.png', 'label': label, 'objects': {'x': [1]}}))
    files[f'{split}/metadata.jsonl'] = '\n'.join(lines)
  where = zip_of(tmp_path / 'a.zip', files) if packed else fill(tmp_path / 'a', files)
  made = make(where, labels='metadata.jsonl')
  check(made, expected)
  assert made.report['columns_left_out'] == ['objects']
  assert made.report['rows_without_image'] == []


def test_a_label_file_outside_or_within_is_read_from_its_own_folder(make, tmp_path):
  names = {'train/0.png': 'a', 'train/1.png': 'b', 'test/0.png': 'b'}
  folder = fill(tmp_path / 'a', {n: png(noise(i)) for i, n in enumerate(names)})
  (folder / 'train/l.csv').write_text('file,label\n0.png,a\n1.png,b\n')
  made = make(folder, labels=str(folder / 'train/l.csv'))
  assert {n: label for n, (_, label, _, _) in read(made).items()} == {
    'train/0.png': 'a',
    'train/1.png': 'b',
  }
  (tmp_path / 'out.csv').write_text(
    'file,label\n' + ''.join(f'{n},{c}\n' for n, c in names.items())
  )
  made = make(folder, labels=str(tmp_path / 'out.csv'), overwrite=True)
  assert {n: label for n, (_, label, _, _) in read(made).items()} == names


def test_celeba_is_read_with_an_attribute_for_a_class(make, tmp_path):
  attributes = ['Bangs', 'Smiling', 'Young']
  values = np.random.default_rng(0).choice([-1, 1], (8, 3))
  files = {
    f'img_align_celeba/img_align_celeba/{i:06d}.png': png(noise(i, 6, 5, 3)) for i in range(8)
  }
  rows = [f'{i:06d}.png ' + ' '.join(f'{v:2d}' for v in row) for i, row in enumerate(values)]
  files['list_attr_celeba.txt'] = '\n'.join(['8', ' '.join(attributes), *rows]) + '\n'
  made = make(fill(tmp_path / 'a', files), labels='list_attr_celeba.txt', label='Smiling')
  found = read(made)
  for i, row in enumerate(values):
    _, label, pixels, record = found[f'img_align_celeba/img_align_celeba/{i:06d}.png']
    assert label == str(row[1])
    assert pixels == noise(i, 6, 5, 3).tobytes()
    assert [int(record['attributes'][name]) for name in ('Bangs', 'Young')] == [row[0], row[2]]


def test_chexpert_and_a_column_of_another_name_are_matched_by_their_tails(make, tmp_path):
  names = [f'patient{p}/study1/view1_frontal.png' for p in range(6)]
  folder = fill(tmp_path / 'a', {name: png(noise(i)) for i, name in enumerate(names)})
  rows = [f'CheXpert-v1.0/train/{name},{"MF"[i % 2]},x{i}.dcm' for i, name in enumerate(names)]
  rows.append('CheXpert-v1.0/train/patient9/study1/view1_frontal.png,M,x.dcm')
  (tmp_path / 'train.csv').write_text('Where,Sex,File\n' + '\n'.join(rows))
  asked = {'labels': str(tmp_path / 'train.csv'), 'label': 'Sex', 'name_column': 'Where'}
  made = make(folder, **asked)
  assert {n: label for n, (_, label, _, _) in read(made).items()} == {
    name: 'MF'[i % 2] for i, name in enumerate(names)
  }
  [missing] = made.report['rows_without_image']
  assert missing == rows[-1].split(',')[0]
  assert made.report['why_rows_have_none'][missing].startswith(
    'no image is called so; 6 end alike, such as'
  )
  with pytest.raises(UserError) as stopped:
    make(folder, overwrite=True, **(asked | {'name_column': 'File'}))
  assert 'none of its 7 rows names an image of --source' in str(stopped.value)
  assert 'rows: x0.dcm, ...; images: patient0/study1/view1_frontal.png, ...' in str(stopped.value)


def parquet(path, split, names, count):
  features = {'image': {'_type': 'Image'}, 'fine': {'names': names, '_type': 'ClassLabel'}}
  cells = [{'bytes': png(noise(len(split) * 10 + i)), 'path': None} for i in range(count)]
  table = pa.table(
    {'image': cells, 'fine': [i % 3 for i in range(count)], 'coarse': ['x', 'y'] * (count // 2)}
  )
  about = {b'huggingface': json.dumps({'info': {'features': features}}).encode()}
  path.parent.mkdir(parents=True, exist_ok=True)
  pq.write_table(table.replace_schema_metadata(about), path)


def test_a_repository_of_parquet_files_has_its_splits_and_any_column_for_a_class(make, tmp_path):
  expected = {}
  for split, shard in (('train', 'train-00000-of-00001'), ('test', 'test-00000-of-00001')):
    parquet(tmp_path / f'a/data/{shard}.parquet', split, ['cat', 'dog', 'eel'], 6)
    for i in range(6):
      fine = ['cat', 'dog', 'eel'][i % 3]
      expected[f'data/{shard}/{i:08d}'] = split, fine, noise(len(split) * 10 + i)
  made = make(tmp_path / 'a', label='fine')
  check(made, expected)
  assert {r['attributes']['coarse'] for _, _, _, r in read(made).values()} == {b'x', b'y'}
  made = make(tmp_path / 'a', label='coarse', overwrite=True)
  assert made.report['classes'] == {'x': 6, 'y': 6}
  with pytest.raises(UserError, match=r'no folders of several classes, but columns: fine, coarse;'):
    make(tmp_path / 'a', labels='folders', overwrite=True)
  with pytest.raises(UserError, match=r"--label=corse: no such column in .* did you mean 'coarse'"):
    make(tmp_path / 'a', label='corse', overwrite=True)


def test_shards_of_webdataset_have_splits_classes_and_attributes(make, tmp_path):
  expected = {}
  for split in ('train', 'val'):
    for shard in range(2):
      members = {}
      for i in range(3):
        pixels = noise(100 * len(split) + 10 * shard + i)
        members |= {f'{i:05d}.png': png(pixels), f'{i:05d}.cls': str(i % 2).encode()}
        members[f'{i:05d}.json'] = json.dumps({'age': i}).encode()
        name = {'train': 'train', 'val': 'validation'}[split], str(i % 2), pixels
        expected[f'own-{split}-{shard:06d}/{i:05d}.png'] = name
      tar_of(tmp_path / f'a/own-{split}-{shard:06d}.tar', members)
  made = make(tmp_path / 'a')
  check(made, expected)
  ages = {r['attributes']['age'] for _, _, _, r in read(made).values()}
  assert ages == {0, 1, 2}


def test_medmnist_keeps_its_three_splits(make, tmp_path):
  arrays, expected = {}, {}
  for split, name in (('train', 'train'), ('val', 'validation'), ('test', 'test')):
    images, labels = noise(len(split), 5, 6, 5, 3), np.arange(5)[:, None] % 2
    arrays |= {f'{split}_images': images, f'{split}_labels': labels}
    expected |= {f'{name}/{i:08d}': (name, str(i % 2), images[i]) for i in range(5)}
  np.savez_compressed(tmp_path / 'bloodmnist.npz', **arrays)
  check(make(tmp_path / 'bloodmnist.npz'), expected)


def test_arrays_in_folders_of_classes_are_images_and_their_stacks_stay_together(make, tmp_path):
  arrays = {f'{c}/{i}.npy': noise(10 * k + i) for k, c in enumerate('ab') for i in range(3)}
  stacks = {f'{c}/stack.npy': noise(k + 50, 7, 6, 5) for k, c in enumerate('ab')}
  folder = fill(tmp_path / 'x', {name: npy(v) for name, v in (arrays | stacks).items()})
  made = make(folder, labels='folders', split={'train': 0.5, 'test': 0.5})
  found = read(made)
  for name, pixels in arrays.items():
    assert found[name][1:3] == (name[0], pixels.tobytes())
  for name, pixels in stacks.items():
    parts = [found[f'{name}#{i:04d}'] for i in range(7)]
    assert [part[2] for part in parts] == [image.tobytes() for image in pixels]
    assert {part[1] for part in parts} == {name[0]}
    assert len({part[0] for part in parts}) == 1
    assert {part[3]['group'].decode() for part in parts} == {name}


def test_a_farm_of_links_is_prepared_on_request(make, tmp_path):
  store = fill(tmp_path / 'store', {f'{c}/{i}.png': png(noise(i)) for c in 'ab' for i in range(3)})
  (tmp_path / 'farm').mkdir()
  for kind in 'ab':
    (tmp_path / 'farm' / kind).symlink_to(store / kind)
  with pytest.raises(UserError, match=r'holds no image file .*; a: a symbolic .*--follow_links'):
    make(tmp_path / 'farm', labels='folders')
  made = make(tmp_path / 'farm', labels='folders', follow_links=True)
  assert made.report['classes'] == {'a': 3, 'b': 3}
  images = FolderImages(str(tmp_path / 'farm'), '--images', by_folder=True, follow_links=True)
  assert (len(images), images.class_names) == (6, ['a', 'b'])


def volume(folder):
  nibabel.Nifti1Image(noise(0, 6, 5, 20) + 1.0, np.eye(4)).to_filename(folder / 'brain.nii')
  return folder, {}, 20


def stack(folder):
  np.save(folder / 'stack.npy', noise(0, 12, 6, 5))
  (folder / 'README.md').write_text('about')
  return folder, {}, 12


def patient(folder):
  files = {f'{i}.png': png(noise(i)) for i in range(15)}
  files['l.csv'] = 'file,patient\n' + ''.join(f'{i}.png,P1\n' for i in range(15))
  return fill(folder, files), {'labels': 'l.csv', 'group': 'patient'}, 15


@pytest.mark.parametrize('kind', [volume, stack, patient])
def test_one_group_is_trained_on_as_a_whole_and_the_consequence_is_said(
  make, tmp_path, kind, capsys
):
  (tmp_path / 'a').mkdir()
  folder, options, count = kind(tmp_path / 'a')
  made = make(folder, **options)
  assert made.report['splits'] == {'train': count}
  progress.show_preparation('own', made.folder, made.report, str(tmp_path / 'data'))
  shown = capsys.readouterr().out
  assert f'! nothing is held out: all {count} images are of one group' in shown
  command = shlex.split(shown.splitlines()[-1])
  keys = dict(re.findall(r'--config\.dataset\.(\w+)=(\S+)', ' '.join(command)))
  train, held_out = (
    by_name.open_dataset('own', keys[key], str(tmp_path / 'data'), (6, 5), 64)
    for key in ('split', 'holdout_split')
  )
  assert (len(train), len(held_out)) == (count - max(1, count // 10), max(1, count // 10))
  with pytest.raises(UserError, match=r'--split=train:1 holds nothing out'):
    make(folder, overwrite=True, split={'train': 0.9, 'test': 0.1}, **options)


@pytest.mark.parametrize(
  ('splits', 'keys'),
  [
    ({'train': 9, 'test': 1}, set()),
    ({'train': 9, 'validation': 1}, {'dataset.holdout_split=validation'}),
    ({'a': 5, 'b': 6}, {'dataset.split=b', 'dataset.holdout_split=a'}),
  ],
)
def test_the_command_to_train_names_the_splits_that_there_are(splits, keys, capsys):
  report = {
    **{'images': 10, 'files': 10, 'converted': 0, 'refused': 0, 'conversions': {}, 'refusals': []},
    **{'other_files': [], 'image_shape': (8, 8, 1), 'splits': splits, 'kind': 'grey'},
    **{'classes': {'a': 10}, 'attributes': [], 'groups': 10},
  }
  progress.show_preparation('own', '/data/own', report)
  command = capsys.readouterr().out.splitlines()[-1]
  assert {w.removeprefix('--config.') for w in command.split() if 'split=' in w} == keys


MISTAKES = [
  (
    {'labels': 'labls.csv'},
    r"--labels=labls.csv: there is no such file, .*did you mean 'labels.csv'",
  ),
  ({'labels': 'folder'}, r"--labels=folder: there is no such file, .*did you mean 'folders'"),
  ({'name_column': 'x'}, r'--name_column=x: is of a label file, and --labels names none'),
  ({'labels': 'labels.csv', 'name_column': 'fil'}, r"--name_column=fil: .*did you mean 'file'"),
  ({'label': 'age'}, r'--label=age: names a column, and --labels names no file'),
]


@pytest.mark.parametrize(('options', 'message'), MISTAKES)
def test_mistakes_are_answered_with_what_there_is(make, tmp_path, options, message):
  folder = fill(tmp_path / 'a', {'1.png': png(noise(0)), 'labels.csv': 'file,label\n1.png,x\n'})
  with pytest.raises(UserError, match=message) as stopped:
    make(folder, **options)
  assert '\n' not in str(stopped.value)


def test_a_table_beside_images_is_offered_for_their_classes(make, tmp_path, capsys):
  frame = pa.table({'file_name': ['0.png', '1.png'], 'label': ['x', 'y']})
  for split in ('train', 'test'):
    fill(tmp_path / 'a', {f'{split}/{i}.png': png(noise(i)) for i in range(2)})
    pq.write_table(frame, tmp_path / 'a' / split / 'metadata.parquet')
  made = make(tmp_path / 'a')
  progress.show_preparation('own', made.folder, made.report)
  assert '(--labels=metadata.parquet takes them of that file)' in capsys.readouterr().out
  made = make(tmp_path / 'a', labels='metadata.parquet', overwrite=True)
  assert made.report['classes'] == {'x': 2, 'y': 2}


def test_a_row_without_ending_is_of_all_of_a_stack_and_one_with_a_part_of_that(make, tmp_path):
  stacks = {f's/{c}.npy': npy(noise(k, 5, 6, 5)) for k, c in enumerate('abc')}
  rows = 'file,label\na,x\n/data/b.npy,y\nc.npy#0002,z\n'
  made = make(fill(tmp_path / 'x', stacks | {'l.csv': rows}), labels='l.csv')
  assert made.report['classes'] == {'x': 5, 'y': 5, 'z': 1}
  assert made.report['rows_without_image'] == []
