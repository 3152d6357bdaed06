import io
import json
import os
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from gan_jax.data.ingest import chunks, fit
from gan_jax.data.ingest.picture import Picture, RefusedError
from gan_jax.data.ingest.sources import File

PIXELS = {'grey': (1, np.uint8), 'grey16': (1, np.uint16), 'rgb': (3, np.uint8),
          'rgba': (4, np.uint8)}  # fmt: skip


def noise(seed, kind='grey', size=(5, 4)):
  channels, dtype = PIXELS[kind]
  top = np.iinfo(dtype).max
  rng = np.random.default_rng(seed)
  return rng.integers(0, top, (*size, channels), dtype, endpoint=True)


def files_of(count):
  return [File(f'{i:04d}', bytes, f'label{i}', f'split{i}') for i in range(count)]


def decoded(file):
  """One picture a file, of all kinds in turn; none of every tenth."""
  number = int(file.name)
  if number % 10 == 9:
    raise RefusedError(f'no {number}')
  kind = list(PIXELS)[number % 4]
  yield Picture(file.name, noise(number, kind), ('note',) * (number % 3), f'group{number % 7}')


def silent(done, total):
  pass


def pixels_of(png):
  with Image.open(io.BytesIO(png)) as file:
    return np.asarray(file).reshape(file.height, file.width, -1)


@pytest.fixture
def small_chunks(monkeypatch):
  monkeypatch.setattr(chunks, 'FILES', 8)


@pytest.mark.usefixtures('small_chunks')
def test_all_images_are_kept_with_what_is_known_of_them(tmp_path):
  items, refused = chunks.make(files_of(50), tmp_path, decoded, silent)
  taken = [i for i in range(50) if i % 10 != 9]
  assert refused == [(f'{i:04d}', f'no {i}') for i in range(50) if i % 10 == 9]
  assert [item.name for item in items] == [f'{i:04d}' for i in taken]
  with chunks.Reader(tmp_path) as reader:
    for i, item in zip(taken, items, strict=True):
      kind = list(PIXELS)[i % 4]
      assert (item.file, item.kind, item.shape) == (item.name, kind, (5, 4))
      assert (item.label, item.split, item.group) == (f'label{i}', f'split{i}', f'group{i % 7}')
      assert item.notes == ('note',) * (i % 3)
      found = pixels_of(reader.png(item, kind))
      np.testing.assert_array_equal(found, noise(i, kind))
      assert found.dtype == PIXELS[kind][1]
  assert len({item.digest for item in items}) == len(items)


def test_an_image_is_read_as_any_kind(tmp_path):
  items, _ = chunks.make(files_of(8), tmp_path, decoded, silent)
  with chunks.Reader(tmp_path) as reader:
    for i, item in enumerate(items):
      for kind in PIXELS:
        expected = fit.convert(noise(i, item.kind), kind)
        np.testing.assert_array_equal(pixels_of(reader.png(item, kind)), expected)


def test_a_png_that_was_taken_over_is_kept_as_it_is(tmp_path):
  pixels, own = noise(0), io.BytesIO()
  Image.fromarray(pixels[..., 0]).save(own, 'PNG', compress_level=0)
  picture = Picture('0000', pixels, png=own.getvalue())
  (item,), _ = chunks.make(files_of(1), tmp_path, lambda file: iter([picture]), silent)
  with chunks.Reader(tmp_path) as reader:
    assert reader.png(item, 'grey') == picture.png


@pytest.mark.usefixtures('small_chunks')
def test_what_is_made_is_not_made_again(tmp_path):
  once = chunks.make(files_of(50), tmp_path, decoded, silent)
  before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
  last = sorted(tmp_path.glob('*.json'))[-1]
  last.unlink()
  asked = []
  again = chunks.make(
    files_of(50), tmp_path, lambda file: asked.append(file.name) or decoded(file), silent
  )
  assert again == once
  assert sorted(asked) == ['0048', '0049']
  changed = {p.name for p in tmp_path.iterdir() if p.stat().st_mtime_ns != before[p.name]}
  assert changed <= {last.name, last.with_suffix('.data').name}


@pytest.mark.usefixtures('small_chunks')
def test_a_chunk_that_was_half_written_is_made_anew(tmp_path):
  (tmp_path / '000001.data').write_bytes(b'half of an image')
  (tmp_path / '000001.part').write_text('{"items": [')
  items, _ = chunks.make(files_of(20), tmp_path, decoded, silent)
  with chunks.Reader(tmp_path) as reader:
    for item in items:
      found = pixels_of(reader.png(item, item.kind))
      np.testing.assert_array_equal(found, noise(int(item.name), item.kind))
  assert not list(tmp_path.glob('*.part'))


@pytest.mark.usefixtures('small_chunks')
def test_a_stop_in_the_middle_leaves_the_chunks_before_and_no_half(tmp_path):
  def breaking(file):
    if file.name == '0020':
      raise KeyboardInterrupt
    return decoded(file)

  with pytest.raises(KeyboardInterrupt):
    chunks.make(files_of(50), tmp_path, breaking, silent)
  indices = sorted(tmp_path.glob('*.json'))
  assert [path.name for path in indices] == ['000000.json', '000001.json']
  kept = [row['name'] for path in indices for row in json.loads(path.read_text())['items']]
  assert kept == [f'{i:04d}' for i in range(16) if i != 9]


def test_a_file_that_breaks_its_decoder_costs_no_other(tmp_path):
  def breaking(file):
    if file.name == '0001':
      raise ZeroDivisionError('by chance')
    yield Picture(file.name, noise(0))

  items, refused = chunks.make(files_of(3), tmp_path, breaking, silent)
  assert [item.name for item in items] == ['0000', '0002']
  assert refused == [('0001', 'failed: ZeroDivisionError: by chance')]


def test_pictures_before_the_refusal_of_a_file_are_taken(tmp_path):
  def volume(file):
    for part in range(3):
      yield Picture(f'{file.name}#{part}', noise(part))
    raise RefusedError('the rest is missing')

  items, refused = chunks.make(files_of(2), tmp_path, volume, silent)
  assert [(item.file, item.name) for item in items] == [
    (name, f'{name}#{part}') for name in ('0000', '0001') for part in range(3)
  ]
  assert refused == [('0000', 'the rest is missing'), ('0001', 'the rest is missing')]


@pytest.mark.usefixtures('small_chunks')
def test_progress_counts_up_to_all_files(tmp_path):
  told = []
  chunks.make(files_of(20), tmp_path, decoded, lambda *progress: told.append(progress))
  assert told == [(0, 20), (8, 20), (16, 20), (20, 20)]


def test_a_reader_keeps_few_chunks_open(tmp_path, monkeypatch):
  monkeypatch.setattr(chunks, 'FILES', 1)
  monkeypatch.setattr(chunks, '_OPEN', 3)
  items, _ = chunks.make(files_of(9), tmp_path, decoded, silent)
  with chunks.Reader(tmp_path) as reader:
    for item in items[::-1] + items + items[::2]:
      reader.png(item, item.kind)
      assert len(reader._files) <= 3
    kept = list(reader._files.values())
  assert all(file.closed for file in kept)


def peak(folder, count):
  """Bytes held at most while `count` images of noise are kept, and the bytes of one."""
  size = (64, 64)

  def many(file):
    yield Picture(file.name, noise(int(file.name), 'rgba', size))

  folder.mkdir()
  tracemalloc.start()
  chunks.make(files_of(count), folder, many, silent)
  _, most = tracemalloc.get_traced_memory()
  tracemalloc.stop()
  return most, noise(0, 'rgba', size).nbytes  # of noise, the PNG is no smaller


@pytest.mark.usefixtures('small_chunks')
def test_memory_does_not_grow_with_the_number_of_images(tmp_path):
  small, image = peak(tmp_path / 'small', 16)
  large, _ = peak(tmp_path / 'large', 200)
  assert large < small + 50 * image  # of the 184 that are more


def test_of_one_chunk_few_images_are_held_at_once(tmp_path, monkeypatch):
  monkeypatch.setattr(os, 'cpu_count', lambda: 2)
  most, image = peak(tmp_path / 'one', chunks.FILES)
  assert most < chunks.FILES / 3 * image
