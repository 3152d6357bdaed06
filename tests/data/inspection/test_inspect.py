import io
import math
import re
import types

import numpy as np
import pytest
import tensorflow_datasets as tfds
from markupsafe import escape
from matplotlib.figure import Figure
from PIL import Image
from rich.console import Console

from gan_jax.data.inspection import inspect, page, report
from gan_jax.data.inspection.split_reader import Unreadable
from gan_jax.data.inspection.text import findings, plain, split_rows
from gan_jax.errors import UserError
from tests.data.inspection.scenes import scene

NASTY = '<script>alert("$x_1")</script>'


def encoded(image, kind='PNG', **options):
  file = io.BytesIO()
  image.save(file, format=kind, **options)
  return file.getvalue()


class Mixed(tfds.core.GeneratorBasedBuilder):
  """Scenes of two classes with copies, a shared group, and one broken, one blank image."""

  VERSION = tfds.core.Version('1.0.0')

  def _info(self):
    features = {
      'image': tfds.features.Image(shape=(None, None, 3)),
      'label': tfds.features.ClassLabel(names=['dwarves', NASTY, 'ogres']),
      'name': tfds.features.Text(),
      'group': tfds.features.Text(),
      'attributes': {'sex': tfds.features.ClassLabel(names=['f', 'm']), 'age': np.int32},
    }
    return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

  def _split_generators(self, dl_manager):
    return {'test': self._generate_examples('test'), 'train': self._generate_examples('train')}

  def _generate_examples(self, split):
    if split == 'train':
      images = [encoded(scene(seed)) for seed in range(24)]
      images += [encoded(scene(0), 'JPEG', quality=80), encoded(scene(1), 'BMP')]
      images += [encoded(Image.new('RGB', (3, 3), color)) for color in ('red', 'red')]
      images += [images[0][:80]]
      labels = [1, 1, *[0] * 24, 0, 0, 0]
    else:
      images = [encoded(scene(seed)) for seed in (100, 101, 2)]
      images += [encoded(scene(3).resize((105, 70)))]
      labels = [0, 0, 1, 1]
    for i, (data, label) in enumerate(zip(images, labels, strict=True)):
      yield (
        i,
        {
          'image': io.BytesIO(data),
          'label': label,
          'name': f'{split}/{NASTY}{i}.png',
          'group': f'patient {i}' if split == 'train' else f'patient {i + 27}',
          'attributes': {'sex': i % 2, 'age': 7},
        },
      )


class Bare(tfds.core.GeneratorBasedBuilder):
  """One grey pixel, and nothing known of it."""

  VERSION = tfds.core.Version('1.0.0')
  channels = 1

  def _info(self):
    image = tfds.features.Image(shape=(None, None, self.channels))
    return self.dataset_info_from_configs(features=tfds.features.FeaturesDict({'image': image}))

  def _split_generators(self, dl_manager):
    return {'train': self._generate_examples()}

  def _generate_examples(self):
    yield 0, {'image': io.BytesIO(encoded(Image.new('L', (1, 1), 9)))}


class UnsaidBare(Bare):
  """The same, and not even how many channels there are."""

  VERSION = tfds.core.Version('1.0.0')
  channels = None


def prepared(kind, folder):
  builder = kind(data_dir=folder)
  builder.download_and_prepare(file_format='array_record')
  return builder


@pytest.fixture(scope='module')
def mixed(tmp_path_factory):
  return prepared(Mixed, tmp_path_factory.mktemp('mixed'))


@pytest.fixture(scope='module')
def looked(mixed):
  return inspect.inspect(mixed)


@pytest.fixture(scope='module')
def bare(tmp_path_factory):
  return inspect.inspect(prepared(Bare, tmp_path_factory.mktemp('bare')))


def overlap(looked, first, second):
  (found,) = [o for o in looked.overlaps if (o.first, o.second) == (first, second)]
  return found


def shown(looked):
  console = Console(file=io.StringIO(), width=160)
  report.show(looked, console)
  return console.file.getvalue()


def test_counts_sizes_modes_and_attributes(looked):
  train, test = looked.splits
  assert (train.name, train.total, test.total) == ('train', 29, 4)  # the largest first
  assert train.class_counts == (27, 2, 0)
  assert test.class_counts == (2, 2, 0)
  assert train.sizes == {(64, 96): 26, (3, 3): 2}
  assert test.sizes == {(64, 96): 3, (70, 105): 1}
  assert train.modes == {'RGB': 28}
  assert train.blank == 2
  assert sum(train.attributes['sex'].values()) == 29
  assert set(train.attributes['sex']) == {'f', 'm'}
  assert test.attributes['age'] == {'7': 4}
  assert not train.limited


def test_an_unreadable_image_is_listed_by_row_and_name(mixed, looked):
  (bad,) = looked.splits[0].unreadable
  assert bad.name == f'train/{NASTY}28.png'
  assert bad.reason
  source = mixed.as_data_source('train', decoders={'image': tfds.decode.SkipDecoding()})
  assert source[bad.row]['name'].decode() == bad.name


def test_moments_are_those_of_all_pixels(looked):
  images = [encoded(scene(seed)) for seed in (100, 101, 2)] + [encoded(scene(3).resize((105, 70)))]
  pixels = np.concatenate(
    [np.asarray(Image.open(io.BytesIO(data))).reshape(-1, 3) / 255 for data in images]
  )
  np.testing.assert_allclose(looked.splits[1].mean, pixels.mean(0))
  np.testing.assert_allclose(looked.splits[1].std, pixels.std(0))


def test_copies_within_a_split_are_found_and_blank_images_are_none(looked):
  within = overlap(looked, 'train', 'train')
  assert (within.exact, within.near) == (1, 2)
  number = lambda example: int(re.search(r'(\d+)\.png', example.name)[1])
  pairs = {frozenset(map(number, pair[:2])) for pair in within.pairs}
  assert pairs == {frozenset({0, 24}), frozenset({1, 25})}
  assert all(0 <= distance < 0.03 for _, _, distance in within.pairs)


def test_copies_across_splits_are_counted_in_the_second_and_within_one_beyond_the_first():
  keys, first, second = np.array([1, 2, 1, 1, 3]), np.array([0, 1]), np.array([2, 3, 4])
  assert inspect._repeated(keys, first, second) == 2
  assert inspect._repeated(keys, second, first) == 1
  assert inspect._repeated(keys, first, first) == 0
  assert inspect._repeated(keys, second, second) == 1


def test_copies_and_groups_across_splits_are_found(looked):
  across = overlap(looked, 'train', 'test')
  assert (across.exact, across.near) == (1, 2)
  assert {(a.split, b.split) for a, b, _ in across.pairs} == {('train', 'test')}
  assert across.groups == ('patient 27', 'patient 28')
  assert overlap(looked, 'test', 'test').near == 0


def test_pairs_least_alike_come_first_and_of_those_equally_alike_the_first_images():
  count = 4 * inspect.MAX_PAIRS
  rng = np.random.default_rng(0)
  hashes = rng.integers(0, 2**64, count, np.uint64)
  levels = rng.integers(0, 64, (count, 16, 16, 1))
  levels[:, 0, :2, 0] = 0, 63
  brighter = levels + np.arange(count)[:, None, None, None] % 2  # each other one, by 1 of 63
  one = lambda name, levels: types.SimpleNamespace(
    name=name, blank=[False] * count, digests=list(range(count)), groups=set(), hashes=[hashes],
    thumbnails=[(levels / 64).astype(np.float16)],
    examples=[inspect.Example(name, row) for row in range(count)],
  )  # fmt: skip
  overlaps, _ = inspect._overlaps([one('train', levels), one('test', brighter)])
  (across,) = [overlap for overlap in overlaps if overlap.first != overlap.second]
  expected = [(row, row) for row in range(1, 2 * inspect.MAX_PAIRS, 2)]
  assert [(a.row, b.row) for a, b, _ in across.pairs] == expected


def test_findings_say_what_to_do(looked):
  found = '\n'.join(findings(looked))
  assert (
    'test holds 2 near-duplicates of train images (1 exact): scores on it are too good; '
    'split by group (--group)'
  ) in found
  assert 'train and test share 2 groups (patient 27, patient 28)' in found
  assert f'class "{NASTY}" has 2 images in train, 14 times fewer than "dwarves"' in found
  assert 'train has no image of 1 class ("ogres")' in found
  assert 'train has 1 unreadable image' in found
  assert 'train has 2 blank images' in found
  assert not re.search(r'\b0 ', found)  # what is not there is no finding


@pytest.mark.parametrize(
  ('counts', 'ratio', 'effective'),
  [
    ((5, 5, 5), 1, 3),
    ((8, 0, 2), 4, math.exp(-0.8 * math.log(0.8) - 0.2 * math.log(0.2))),
    ((7,), 1, 1),
  ],
)
def test_imbalance_is_its_closed_form(counts, ratio, effective):
  np.testing.assert_allclose(inspect.imbalance(counts), (ratio, effective))


def test_imbalance_of_nothing_is_unknown():
  assert all(map(math.isnan, inspect.imbalance((0, 0))))


def test_a_limit_looks_at_a_part_and_says_so(mixed):
  calls = []
  part = inspect.inspect(mixed, ['train'], lambda *call: calls.append(call), limit=5)
  (train,) = part.splits
  assert (train.inspected, train.total, train.limited) == (5, 29, True)
  assert calls[-1] == (5, 5)
  assert 'of train 5 of 29 images were looked at' in findings(part)[0]
  assert dict(split_rows(part))['images'] == ['5 of 29']


def test_an_unknown_split_offers_the_nearest(mixed):
  with pytest.raises(UserError, match="did you mean 'train'"):
    inspect.inspect(mixed, ['trian'])


def test_one_pixel_without_labels_is_enough(bare):
  assert bare.class_names == ()
  assert bare.splits[0].blank == 1
  assert 'bare' in shown(bare)
  assert 'class' not in shown(bare)


def test_channels_that_are_not_said_are_those_of_colour(tmp_path):
  found = inspect.inspect(prepared(UnsaidBare, tmp_path))
  assert len(found.channels) == 3
  np.testing.assert_allclose(found.splits[0].mean, [9 / 255] * 3)


@pytest.mark.parametrize(
  ('features', 'message'),
  [
    ({'audio': None, 'label': None}, "'sounds' has no feature `image`; found: audio, label$"),
    ({'image': types.SimpleNamespace(shape=(8, 8, 2))}, "'sounds': 2 channels; accepted: 1, 3, 4$"),
  ],
)
def test_what_holds_no_such_images_is_refused(features, message):
  builder = types.SimpleNamespace(name='sounds', info=types.SimpleNamespace(features=features))
  with pytest.raises(UserError, match=message):
    inspect.inspect(builder)


def test_the_terminal_shows_names_as_they_are_and_no_control_characters(looked):
  text = shown(looked._replace(name='\x1b[31m[bold]train'))
  assert '\x1b' not in text
  assert '[bold]train' in text


def test_the_terminal_tells_what_was_found_in_each_split(looked):
  lines = [[cell.strip() for cell in line.split('│')[1:-1]] for line in shown(looked).splitlines()]
  told = {cells[0]: cells[1:] for cells in lines if cells}
  expected = {
    'images': '294',
    'unreadable': '10',
    'blank': '20',
    'exact copies': '10',
    'near-duplicates': '20',
  }
  assert {name: ''.join(told.get(name, '')) for name in expected} == expected


def test_of_very_many_classes_as_many_of_the_largest_are_shown_as_of_the_smallest():
  count = inspect.MAX_CLASSES + 10
  sizes = np.random.default_rng(0).permutation(np.arange(count))
  readers = [types.SimpleNamespace(name='train', examples=[])]
  names = tuple(f'class {label}' for label in range(count))
  halves = [types.SimpleNamespace(class_counts=part) for part in (sizes // 2, sizes - sizes // 2)]
  rows = inspect._sheet(readers, tuple(halves), names)
  shown = [row.label for row in rows]
  assert shown == sorted(shown)
  assert [row.title for row in rows] == [names[label] for label in shown]
  half = len(shown) // 2
  expected = [*range(half), *range(count - half, count)]
  assert sorted(sizes[shown]) == expected
  few = inspect._sheet(readers, tuple(halves), names[: inspect.MAX_CLASSES])
  assert len(few) == inspect.MAX_CLASSES


def test_a_class_without_images_has_its_line_in_the_sheet(looked):
  titles = [title for title, _, _ in report._lines(looked) if title]
  assert titles == [row.title for row in looked.sheet]
  assert [len(row.examples) > 0 for row in looked.sheet] == [True, True, False]


@pytest.mark.parametrize('size', [(30, 10), (10, 30), (200, 90), (7, 7), (1, 400)])
def test_a_picture_is_whole_and_in_the_middle_of_its_place(size):
  room, (width, height) = 68, size
  pixels = np.full((height, width, 4), (200, 0, 0, 255), np.uint8)
  drawn = (np.asarray(report._on_checks(pixels, room)) != 255).any(axis=-1)
  for axis, side in enumerate((height, width)):
    places = np.flatnonzero(drawn.any(axis=1 - axis))
    assert len(places) == max(1, round(room * side / max(size)))
    assert abs(places[0] - (room - 1 - places[-1])) <= 1


def test_what_is_transparent_shows_a_board_of_checks():
  shown = np.asarray(report._on_checks(np.zeros((4, 8, 4), np.uint8), 68))
  inside = shown[17:51].reshape(-1, 3)  # of the square, as high as half its width
  assert {tuple(colour) for colour in inside.tolist()} == {(215,) * 3, (245,) * 3}


def test_bars_of_a_class_lie_beside_its_images_one_a_split_and_none_upon_another(looked):
  axes, labels = Figure().add_subplot(), [row.label for row in looked.sheet]
  report._bars(axes, looked, labels)
  spans = []
  for split, bars in zip(looked.splits, axes.containers, strict=True):
    assert [bar.get_width() for bar in bars] == [split.class_counts[label] for label in labels]
    spans.append([(bar.get_y(), bar.get_y() + bar.get_height()) for bar in bars])
  for line, (first, second) in enumerate(zip(*spans, strict=True)):
    assert line < first[0] < first[1] < second[0] < second[1] < line + 1


def test_a_long_name_keeps_both_ends():
  name = 'class/' + 'x' * 90 + '/0001.png'
  short = plain(name, 30)
  assert len(short) == 30
  assert short.startswith('class/')
  assert short.endswith('/0001.png')


@pytest.mark.parametrize('which', ['looked', 'bare'])
def test_the_page_is_self_contained_and_escapes_names(which, request, tmp_path):
  given = request.getfixturevalue(which)
  path = tmp_path / 'new' / 'page.html'
  report.write(given, str(path))
  text = path.read_text()
  assert text.count('<script') == 1  # the page's own
  assert 'http' not in text
  sources = re.findall(r'src="([^"]*)"', text)
  assert all(source.startswith('data:image/png;base64,') for source in sources)
  assert len(sources) >= sum(len(row.examples) for row in given.sheet) > 0
  if which == 'looked':
    assert str(escape(NASTY)) in text
    assert NASTY not in text
    assert all(str(escape(bad.reason)) in text for bad in given.splits[0].unreadable)
  assert [path.name for path in path.parent.iterdir()] == ['page.html']


def test_of_many_unreadable_images_the_first_are_listed_and_all_are_counted(looked, monkeypatch):
  monkeypatch.setattr(page, '_MAX_UNREADABLE', 2)
  monkeypatch.setattr(report, '_MAX_UNREADABLE', 3)
  bad = tuple(Unreadable(row, f'file{row}.png', 'why') for row in range(5))
  train, test = looked.splits
  many = looked._replace(splits=(train._replace(unreadable=bad), test))
  for text, count, said in (
    (page.page(many), 2, 'The first 2 of 5.'),
    (shown(many), 3, 'Unreadable: the first 3 of 5'),
  ):
    assert said in text
    assert [each.name in text for each in bad] == [place < count for place in range(5)]
  assert 'The first' not in page.page(looked)


@pytest.mark.parametrize('which', ['looked', 'bare'])
def test_the_sheet_is_a_picture(which, request, tmp_path):
  report.write(request.getfixturevalue(which), str(tmp_path / 'sheet.png'))
  with Image.open(tmp_path / 'sheet.png') as image:
    assert image.format == 'PNG'
    assert np.asarray(image.convert('L')).std() > 1


@pytest.mark.parametrize(
  ('name', 'message'),
  [('sheet.pdf', r'--out=.*sheet\.pdf: must end in \.html or \.png'), ('file/x.html', '--out=')],
)
def test_a_place_that_cannot_be_written_is_one_line(bare, tmp_path, name, message):
  (tmp_path / 'file').write_text('')
  with pytest.raises(UserError, match=message) as raised:
    report.write(bare, str(tmp_path / name))
  assert '\n' not in str(raised.value)
