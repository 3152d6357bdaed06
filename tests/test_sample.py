import io
import json
import pathlib
import zipfile
from xml.etree import ElementTree

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

import gan_jax
from gan_jax import sample
from gan_jax.data import by_name
from gan_jax.data.ingest import options, prepare
from gan_jax.errors import UserError
from gan_jax.sampling import about, grid, outputs, plan
from tests.sampling import drawn

KINDS = {
  'grey': {'channels': 1},
  'grey16': {'channels': 1, 'dtype': np.uint16},
  'rgb': {'channels': 3, 'size': (16, 24)},
  'rgba': {'channels': 4},
}


@pytest.fixture(scope='module', params=KINDS)
def model(request):
  """A model of each kind of image, one of them not square."""
  found = drawn.model(**KINDS[request.param], workdir='/runs/pets', images_shown=4000)
  found.kind = request.param
  return found


@pytest.fixture(scope='module')
def grey():
  return drawn.model()


def planned(model, count=5, turn=(0, 2), **settings):
  return plan.plan(model, 7, count, list(turn), **settings)


def xmp_of(image):
  """Properties in the XMP of an image, by their local names."""
  packet = image.info.get('xmp') or image.info['XML:com.adobe.xmp'].encode()
  (about,) = ElementTree.fromstring(packet).iter(
    '{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description'
  )
  local = lambda name: name.rpartition('}')[2]
  told = {local(name): value for name, value in about.attrib.items()}
  return told | {local(child.tag): ''.join(child.itertext()) for child in about}


def pixels(path):
  with Image.open(path) as image:
    found = np.asarray(image)
  return found[..., None] if found.ndim == 2 else found


def test_each_format_holds_the_images_that_python_draws(model, tmp_path):
  expected = model.sample(5, classes=[0, 2], seed=7)
  shape = expected.shape[1:]
  for name in ('folder', 'a.zip', 'deep/a.npz', 'grid.png'):
    sample.write_samples(planned(model), str(tmp_path / name))

  files = sorted((tmp_path / 'folder').iterdir())
  called = [f'00000{n}_{("cat", "猫")[n % 2]}.png' for n in range(5)]
  assert [file.name for file in files] == called
  np.testing.assert_array_equal([pixels(file) for file in files], expected)

  with zipfile.ZipFile(tmp_path / 'a.zip') as archive:
    told = json.loads(archive.read('dataset.json'))
    found = [pixels(io.BytesIO(archive.read(name))) for name, _ in told['labels']]
  assert [label for _, label in told['labels']] == [0, 2, 0, 2, 0]
  np.testing.assert_array_equal(found, expected)

  with np.load(tmp_path / 'deep' / 'a.npz') as arrays:
    assert arrays['images'].dtype == model.dtype
    np.testing.assert_array_equal(arrays['images'], expected)
    np.testing.assert_array_equal(arrays['labels'], [0, 2, 0, 2, 0])
    np.testing.assert_array_equal(arrays['z'], model.latents(5, seed=7))

  grid = pixels(tmp_path / 'grid.png')
  assert grid.shape[:2] == (2 * shape[0], 3 * shape[1])
  if model.kind == 'rgb':  # shown as it is; a row a class, what is left over black
    cells = grid.reshape(2, shape[0], 3, shape[1], 3).transpose(0, 2, 1, 3, 4)
    np.testing.assert_array_equal(cells[0], expected[::2])
    np.testing.assert_array_equal(cells[1, :2], expected[1::2])
    assert not cells[1, 2].any()


def test_a_zip_and_an_npz_are_read_back_by_prepare_and_a_tfds_dataset_by_tfds(model, tmp_path):
  expected = model.sample(5, classes=[0, 2], seed=7)
  settings = {'data_dir': str(tmp_path / 'data'), 'split': {'train': 1.0}}
  sources = {'a.zip': {'labels': 'dataset.json'}, 'a.npz': {}}
  for name, more in sources.items():
    sample.write_samples(planned(model), str(tmp_path / name))
    asked = options.Options(str(tmp_path / name), f'from_{name[-3:]}', **settings, **more)
    prepared = prepare.prepare(asked, by_name.open_builder)
    assert prepared.report['kind'] == model.kind
    assert prepared.report['classes'] == {'0': 3, '2': 2}
    assert_same_images(prepared.folder, expected)
  sample.write_samples(planned(model), str(tmp_path / 'data' / 'drawn'), 'tfds')
  folder = str(tmp_path / 'data' / 'drawn' / '1.0.0')
  assert_same_images(folder, expected)
  builder = tfds.builder_from_directory(folder)
  assert sorted(builder.info.features['label'].names) == ['cat', '猫']
  assert about.SYNTHETIC in builder.info.description
  report = json.loads(pathlib.Path(folder, prepare.REPORT).read_text())
  assert (report['asked_shares'], report['licence']) == ({'train': 1.0}, 'synthetic')
  examples = list(builder.as_data_source('train'))
  assert sorted(example['attributes']['place'] for example in examples) == [0, 1, 2, 3, 4]
  assert {example['attributes']['seed'] for example in examples} == {7}
  with pytest.raises(UserError, match='--overwrite'):
    sample.write_samples(planned(model), str(tmp_path / 'data' / 'drawn'), 'tfds')
  sample.write_samples(planned(model, 3), str(tmp_path / 'data' / 'drawn'), 'tfds', overwrite=True)
  assert_same_images(folder, expected[:3])


def assert_same_images(folder, expected):
  """Compares as sets: `prepare` has an order of its own."""
  found = tfds.builder_from_directory(folder).as_data_source('train')
  as_bytes = lambda images: sorted(np.asarray(image).tobytes() for image in images)
  assert as_bytes(example['image'] for example in found) == as_bytes(expected)


def test_every_file_says_how_it_was_made_and_that_it_is_synthetic(model, tmp_path):
  several = plan.plan(model, [3, 9], 100, [1, 2], truncation=0.5)
  for name in ('folder', 'a.zip', 'grid.png'):
    sample.write_samples(several, str(tmp_path / name))
  with zipfile.ZipFile(tmp_path / 'a.zip') as archive:
    second = Image.open(io.BytesIO(archive.read('00000/img00000001.png')))
    whole = json.loads(archive.read('dataset.json'))
  for image in (Image.open(tmp_path / 'folder' / '000001_猫.png'), second):
    told = {
      **{'Model': 'dcgan', 'Run': 'pets', 'Images shown': '4000', 'Seed': '9', 'Index': '0'},
      **{'Class': '猫', 'Truncation': '0.5 times the latent', 'Software': 'gan_jax'},
    }
    assert told.items() <= image.text.items()
    described = xmp_of(image)
    assert described['DigitalSourceType'] == about.SYNTHETIC
    assert described['Seed'] == '9'
    assert described['Class'] == '猫'
    assert described['description'].startswith('Synthetic image')
  with Image.open(tmp_path / 'grid.png') as image:
    assert image.text['Seeds'] == whole['recipe']['Seeds'] == '3,9'
    assert image.text['Classes'] == whole['recipe']['Classes'] == 'a dog, 猫'
    for told in (xmp_of(image), whole['recipe']):
      assert told['DigitalSourceType'] == about.SYNTHETIC


def test_images_larger_than_in_their_grid_are_whole_in_a_folder_beside_it(
  model, tmp_path, monkeypatch
):
  monkeypatch.setattr(grid, '_MOST_SIDE', 24)
  monkeypatch.setattr(grid, '_LEAST_CELL', 4)
  out = str(tmp_path / 'grid.png')
  sample.write_samples(planned(model), out)
  sample.write_samples(planned(model), str(tmp_path / 'folder'))
  assert max(pixels(out).shape[:2]) <= 24
  for file in (tmp_path / 'folder').iterdir():
    assert (tmp_path / 'grid' / file.name).read_bytes() == file.read_bytes()
  before = (tmp_path / 'grid.png').read_bytes()
  with pytest.raises(UserError, match=r'grid has something in it.*--overwrite'):
    sample.write_samples(planned(model, 3), out)
  assert (tmp_path / 'grid.png').read_bytes() == before
  sample.write_samples(planned(model, 3), out, overwrite=True)
  sample.write_samples(planned(model), str(tmp_path / 'told.png'), captions=True)
  assert max(pixels(tmp_path / 'told.png').shape[:2]) < 300  # room for texts
  assert len(list((tmp_path / 'told').iterdir())) == 5


def test_the_same_samples_are_the_same_bytes(grey, tmp_path):
  for name in ('a.zip', 'a.npz', 'a.png'):
    for folder in ('one', 'two'):
      sample.write_samples(planned(grey), str(tmp_path / folder / name))
    one, two = ((tmp_path / folder / name).read_bytes() for folder in ('one', 'two'))
    assert one == two


def test_names_that_hold_controls_or_markup_are_told_and_harmless(grey, tmp_path):
  recipe = {'Class': 'a\x00<b>&"\u202e', 'Run': '猫'}
  image = Image.new('L', (4, 4))
  image.save(tmp_path / 'x.png', pnginfo=about.png(recipe))
  with Image.open(tmp_path / 'x.png') as found:
    described = xmp_of(found)
    assert described['Class'] == found.text['Class'] == 'a\\x00<b>&"\\u202e'
    assert found.text['Run'] == '猫'


def test_a_captioned_grid_has_room_for_texts_and_shows_each_image_enlarged(model, tmp_path):
  sample.write_samples(planned(model, 3, [0]), str(tmp_path / 'x.png'), captions=True)
  height, width = model.resolution
  times = -(-80 // width)
  picture = pixels(tmp_path / 'x.png')
  cell = times * height + 18, times * width
  assert picture.shape[:2] == (2 * cell[0], 2 * cell[1])
  line = picture[cell[0] - 18 : cell[0], : cell[1]]
  assert line.min() < 64  # letters
  assert line.max() == 255
  assert (picture[cell[0] :, cell[1] :] == 255).all()
  if model.kind == 'rgb':
    shown = picture[: cell[0] - 18 : times, : cell[1] : times]
    np.testing.assert_array_equal(shown, model.sample(1, classes=0, seed=7)[0])


def test_in_a_captioned_grid_of_several_classes_what_is_left_over_is_white(model, tmp_path):
  sample.write_samples(planned(model, 3), str(tmp_path / 'x.png'), captions=True)
  picture = pixels(tmp_path / 'x.png')
  height, width = (side // 2 for side in picture.shape[:2])
  assert (picture[height:, width:] == 255).all()  # two of the first class, one of the other
  assert (picture[height:, :width] < 255).any()


def test_images_of_a_zip_are_where_the_tool_of_stylegan_has_them(grey, tmp_path, monkeypatch):
  """Its names: eight digits, in a folder of the first five of them."""
  image = np.zeros((16, 16, 1), np.uint8)
  monkeypatch.setattr(plan.Plan, 'images', lambda self: iter([image] * len(self.labels)))
  monkeypatch.setattr(outputs, 'encoded', lambda *_: b'')
  sample.write_samples(planned(grey, 2001), str(tmp_path / 'a.zip'))
  with zipfile.ZipFile(tmp_path / 'a.zip') as archive:
    *names, last = archive.namelist()
  numbers = [f'{n:08d}' for n in range(2001)]
  assert names == [f'{number[:5]}/img{number}.png' for number in numbers]
  assert last == 'dataset.json'


def test_captions_name_class_and_seed_or_index(grey):
  assert outputs._caption(planned(grey), 1) == '猫 #1'
  assert outputs._caption(plan.plan(grey, [3, 9], 1, [1]), 1) == 'a dog seed 9'


@pytest.mark.parametrize(
  ('names', 'called'),
  [
    (('cat', 'dog'), {0: 'cat', 1: 'dog'}),
    (('../etc', 'a b/c'), {0: 'etc', 1: 'a_b_c'}),
    (('猫', 'x' * 300), {0: '猫', 1: 'x' * 60}),
    (('a b', 'a/b'), {}),  # two of one name: numbers tell them apart
    (('?', '!'), {}),
  ],
)
def test_files_are_called_by_the_class(names, called):
  assert outputs.file_names(names) == called


@pytest.mark.parametrize('name', ['a.jpg', 'a.JPEG', 'a.webp', 'a.gif'])
def test_a_grid_is_png_and_nothing_else_is_made_a_folder_of(name, tmp_path):
  with pytest.raises(UserError, match=r'accepted: FILE\.png'):
    sample.check_out(str(tmp_path / name), '', overwrite=False)


def test_a_format_is_taken_by_name_or_by_the_ending(tmp_path):
  for name, form in {'a.png': 'grid', 'b.ZIP': 'zip', 'c.npz': 'npz', 'v1.5': 'folder'}.items():
    assert sample.check_out(str(tmp_path / name), '', overwrite=False) == form
  assert sample.check_out(str(tmp_path / 'a.png'), 'zip', overwrite=False) == 'zip'
  with pytest.raises(UserError, match="--format=zpi: did you mean 'zip'"):
    sample.check_out(str(tmp_path / 'a'), 'zpi', overwrite=False)
  with pytest.raises(UserError, match='is a folder; accepted: a file'):
    sample.check_out(str(tmp_path), 'npz', overwrite=False)
  with pytest.raises(UserError, match='--captions: are part of a grid'):
    sample.check_out(str(tmp_path / 'a.zip'), '', overwrite=False, captions=True)


def test_a_folder_with_something_in_it_is_left_as_it_is(tmp_path):
  sample.check_out(str(tmp_path), '', overwrite=False)
  (tmp_path / '000000_0.png').touch()
  with pytest.raises(UserError, match='--overwrite'):
    sample.check_out(str(tmp_path), '', overwrite=False)
  sample.check_out(str(tmp_path), '', overwrite=True)


@pytest.mark.parametrize('truncation', [-1.0, float('nan'), float('inf')])
def test_a_truncation_that_means_nothing_is_refused(grey, tmp_path, truncation):
  with pytest.raises(UserError, match='--truncation='):
    sample.write_samples(planned(grey, truncation=truncation), str(tmp_path / 'x'))


def test_a_place_that_cannot_be_written_is_refused_and_nothing_half_written_is_left(grey, tmp_path):
  (tmp_path / 'file').write_text('')
  for name in ('x', 'x.zip', 'x.npz', 'x.png'):
    with pytest.raises(UserError, match='cannot be written'):
      sample.write_samples(planned(grey, 1), str(tmp_path / 'file' / name))
  broken = drawn.model()
  broken.variables['params']['embedding']['embedding'][:] = np.nan
  for name in ('x.zip', 'x.npz', 'x.png'):
    with pytest.raises(RuntimeError, match='NaN'):
      sample.write_samples(planned(broken, 1), str(tmp_path / name))
  assert [path.name for path in tmp_path.iterdir()] == ['file']


def test_a_run_is_drawn_alike_by_the_command_and_in_python(finished, tmp_path, monkeypatch):
  from absl import flags

  from gan_jax.commands import sample as command

  workdir, _ = finished
  model = gan_jax.open(workdir)
  expected = model.sample(6, classes='3:2,1', seed=11)
  out = tmp_path / 'images'
  values = flags.FlagValues()
  monkeypatch.setattr(command, 'FLAGS', values)
  monkeypatch.setattr(command.common, 'FLAGS', values)
  for name in ('DEFINE_integer', 'DEFINE_string', 'DEFINE_bool', 'DEFINE_float', 'DEFINE'):
    own = getattr(flags, name)
    monkeypatch.setattr(flags, name, lambda *a, own=own, **k: own(*a, flag_values=values, **k))
  command.define()
  words = ['--count=6', '--classes=3:2,1', '--seed=11', f'--out={out}']
  values(['sample', f'--workdir={workdir}', *words])
  command.run()
  files = sorted(pathlib.Path(out).iterdir())
  assert [file.name[7:-4] for file in files] == ['3', '3', '1', '3', '3', '1']
  np.testing.assert_array_equal([pixels(file) for file in files], expected)
  with Image.open(files[0]) as image:
    assert image.text['Images shown'] == str(model.images_shown) == '192'
