import csv
import json
import types

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

import gan_jax
from gan_jax import project, references
from gan_jax.errors import UserError
from gan_jax.latents.projection import Settings
from tests.command_line import call
from tests.sampling import drawn

SEARCHES = ('searching', 'projecting')
QUICK = Settings(candidates=60, starts=2, short_steps=3, kept=1, steps=6)


@pytest.fixture(scope='module')
def own(tmp_path_factory):
  """A folder of three images, one of them not of the model's size, and a file that is none."""
  folder = tmp_path_factory.mktemp('own')
  for number, size in enumerate([(16, 16), (16, 16), (40, 20)]):
    pixels = np.random.default_rng(number).integers(0, 256, size, np.uint8)
    Image.fromarray(pixels).save(folder / f'={number}.png')
  (folder / 'torn.png').write_bytes(b'\x89PNG\r\n\x1a\n')
  return str(folder)


@pytest.fixture(scope='module')
def watched(finished, own):
  """The images in the latents of a run, ranked among five held-out ones; what was told of it."""
  model, told = gan_jax.open(finished[0]), []
  watch = lambda *line: told.append(line)
  return project.project(model, own, project.Asked(references=5, settings=QUICK), watch), told


@pytest.fixture(scope='module')
def found(watched):
  return watched[0]


def test_files_say_what_was_found(found, tmp_path):
  project.write(found, str(tmp_path))
  latents = np.load(tmp_path / project.LATENTS)
  assert latents['z'].shape == (3, 8)
  np.testing.assert_array_equal(latents['labels'], found.projections.labels)
  assert latents['names'].tolist() == ['=0.png', '=1.png', '=2.png']
  rows = list(csv.DictReader((tmp_path / project.TABLE).read_text().splitlines()))
  assert [row['name'] for row in rows] == ["'=0.png", "'=1.png", "'=2.png"]  # no formula
  np.testing.assert_allclose(
    [float(row['pixel_error']) for row in rows], found.projections.pixel_errors
  )
  assert {row['class'] for row in rows} <= {str(n) for n in range(10)}
  about = json.loads((tmp_path / project.ABOUT).read_text())
  assert about['refused'][0][0] == 'torn.png'
  assert (about['references'], about['p_values_among']) == (5, 'images of digits test')
  assert about['shares_of_the_variance_of'] == 'digits train'
  assert {row['p_value'] * 6 for row in about['images']} <= set(map(float, range(1, 7)))
  with Image.open(tmp_path / project.PICTURE) as image:
    assert image.width % 3 == 0


def test_of_a_model_without_classes_no_class_is_said(found, tmp_path):
  unknown = found._replace(class_names=(), about={**found.about, 'classes': 'none'})
  project.write(unknown, str(tmp_path))
  rows = list(csv.DictReader((tmp_path / project.TABLE).read_text().splitlines()))
  about = json.loads((tmp_path / project.ABOUT).read_text())
  for row in (*rows, *about['images']):
    assert list(row) == ['name', 'pixel_error', 'distance', 'length', 'p_value']


def test_of_all_that_takes_time_is_told_how_many_of_how_many_images_are_done(watched):
  done = {}
  for what, count, total in watched[1]:
    done.setdefault((what, total), []).append(count)
  searches = [(f'{what}{of}', n) for of, n in (('', 3), (' references', 5)) for what in SEARCHES]
  assert set(searches) <= set(done)
  for what, total in searches:
    counts = done[what, total]
    assert (counts[0], counts[-1]) == (0, total), what
    assert counts == sorted(counts)


def test_of_every_file_that_is_read_is_told_how_many_there_are(own, monkeypatch):
  def no_further(*_):
    raise StopIteration

  monkeypatch.setattr(references, 'data_of', no_further)
  model = types.SimpleNamespace(
    **{'resolution': (16, 16), 'channels': 1, 'dtype': np.uint8, 'class_names': (), 'config': None}
  )
  told = []
  with pytest.raises(StopIteration):
    project.project(model, own, project.Asked(), lambda *line: told.append(line))
  assert told == [('reading', number, 4) for number in range(4)]  # one of the files is none


def test_latents_make_the_same_images_in_the_opened_model(found, finished):
  model = gan_jax.open(finished[0])
  again = model.images(found.projections.latents, found.projections.labels, fixed_noise=True)
  assert np.abs(again.astype(int) - found.projections.images).max() <= 1


def test_the_command_asks_what_its_flags_say_and_tells_what_was_found(
  found, finished, own, tmp_path, monkeypatch
):
  asked = []
  monkeypatch.setattr(project, 'project', lambda *given: asked.append(given) or found)
  flags = '--space=z', '--classes=3', '--references=5', '--fit=pad', '--against=samples'
  said = call('project', f'--workdir={finished[0]}', f'--images={own}', f'--out={tmp_path}', *flags)
  assert said.code == 0, said.err
  ((_, images, chosen, _),) = asked
  assert images == own
  expected = project.Asked('z', '3', references=5, fit='pad', against='samples')
  assert chosen == expected._replace(settings=Settings(way=0))
  rows = list(csv.DictReader((tmp_path / project.TABLE).read_text().splitlines()))
  errors = [float(row['pixel_error']) for row in rows]
  median, most = f'{np.median(errors):.2%}', f'{max(errors):.2%}'
  assert f'3 images in z: pixel error {median} of the variance of digits train' in said.out
  assert f'{most} at most' in said.out
  assert 'not read: torn.png: ' in said.out
  assert '5 images of digits test are too few to tell' in said.out


def test_samples_that_are_ranked_among_are_not_those_that_anybody_draws():
  asked = []
  model = types.SimpleNamespace(
    labels=lambda count: np.arange(count),
    latents=lambda count, *, seed=0: asked.append(seed) or np.zeros((count, 8)),
    images=lambda latents, labels: (latents, labels),
  )
  found = references.drawn(model, None, 4)
  assert found.images[1] is found.labels
  assert found.name == 'samples of the model'
  assert asked[0] > 10**6  # a seed that nobody asks for


def test_without_data_samples_are_the_reference_and_the_note_says_so(own):
  model = drawn.model('dcgan')
  found = project.project(model, own, project.Asked(references=4, classes='cat', settings=QUICK))
  assert found.about['p_values_among'] == 'samples of the model'
  assert found.about['notes'] == ['the model comes without its data']
  assert found.about['classes'] == 'given'
  assert (found.projections.labels == 0).all()
  assert project.project(model, own, project.Asked(references=0, settings=QUICK)).p_values is None


@pytest.mark.parametrize(
  ('asked', 'message'),
  [
    ({'against': 'real'}, '--against=real: .*accepted: held_out, samples'),
    ({'references': -1}, '--references=-1'),
    ({'fit': 'zoom'}, '--fit=zoom: .*accepted: crop'),
    ({'space': 'w'}, '--space=w: accepted of this generator: z'),
    ({'classes': 'bird'}, "--classes=bird: 'bird' is no class"),
    ({'classes': '1', 'folders': True}, 'give one of them'),
    ({'folders': True}, '--labels=folders: =0.png is in no folder of a class'),
    ({'features': ('pixels',)}, '--features=pixels: needs the data of the run'),
  ],
)
def test_what_cannot_be_is_refused_in_a_line(own, asked, message):
  with pytest.raises(UserError, match=message) as error:
    project.project(drawn.model('dcgan'), own, project.Asked(**asked))
  assert '\n' not in str(error.value)


def test_the_model_refuses_images_of_another_shape():
  model = drawn.model('dcgan')
  with pytest.raises(UserError, match=r'accepted: uint8 \(N, 16, 16, 1\)'):
    model.project(np.zeros((1, 8, 8, 1), np.uint8))


def test_a_film_shows_the_way_from_the_nearest_draw_to_the_projection(own, tmp_path):
  model = drawn.model('dcgan')
  asked = project.Asked(references=0, classes='cat', settings=QUICK._replace(steps=7, way=3))
  found = project.project(model, own, asked)
  way = found.projections.way
  assert way.shape[:2] == (3, 10)
  np.testing.assert_array_equal(way[:, -1], found.projections.images)
  # Where the second descent begins is where the first ended.
  np.testing.assert_array_equal(way[:, 4], way[:, 5])
  changes = np.abs(np.diff(np.delete(way, 5, 1).astype(int), axis=1)).max(axis=(2, 3, 4))
  assert (np.count_nonzero(changes, axis=1) >= 6).all()  # the first step has a rate of 0
  plain = project.project(model, own, asked._replace(settings=QUICK._replace(steps=7)))
  assert plain.projections.way is None
  np.testing.assert_allclose(
    plain.projections.latents, found.projections.latents, rtol=1e-3, atol=1e-4
  )
  project.write(found, str(tmp_path))
  reader = imageio_ffmpeg.read_frames(str(tmp_path / project.FILM))
  width, height = next(reader)['size']
  shown = [np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in reader]
  assert len(shown) == 10 + project._HELD
  assert height / width == 2 * 2 * model.resolution[0] / (2 * model.resolution[1])
  project._write_film(found, way[:1], str(tmp_path / 'one.mp4'))  # and no empty place
  reader = imageio_ffmpeg.read_frames(str(tmp_path / 'one.mp4'))
  width, height = next(reader)['size']
  reader.close()
  assert height / width == 2 * model.resolution[0] / model.resolution[1]
