"""Scoring of folders, and of generators of any origin, with the real metrics and networks."""

import functools
import json
import pathlib
import shutil

import numpy as np
import pytest
from PIL import Image

import gan_jax
from gan_jax import build, evaluate, evaluate_folders, export, registry
from gan_jax.data.folder import FolderImages
from gan_jax.errors import UserError
from gan_jax.evaluation.options import Options
from gan_jax.metrics import fd
from gan_jax.metrics.features import Features
from gan_jax.sampling import programs
from gan_jax.sampling.grid import save_image
from gan_jax.workdir import record
from tests.command_line import call, one_line

PUBLISHED = pathlib.Path(__file__).parent / 'share/fixtures'
RUN = functools.partial(evaluate.evaluate_runs, options=Options(num_samples=96))


def by_key(row):
  return {score.key: score for score in row.scores}


@pytest.fixture(scope='module')
def folders(tmp_path_factory, digits, held_out_digits):
  """Real digits by class; other real digits; the same, darker; each of 120 images, 12 a class."""
  root = tmp_path_factory.mktemp('folders')
  sources = {'real': digits, 'other': held_out_digits, 'dark': held_out_digits}
  for name, dataset in sources.items():
    labels = dataset.labels(range(len(dataset)))
    for label in range(10):
      rows = np.flatnonzero(labels == label)[:12]
      (root / name / str(label)).mkdir(parents=True)
      for place, image in enumerate(dataset.fetch(rows)['image']):
        image = image // 2 if name == 'dark' else image
        save_image(str(root / name / str(label) / f'{place}.png'), image)
  return root


def folder_scores(folders, images, options=Options(), **others):  # noqa: B008 - never changed
  """Scores by pixels, which take no network."""
  defaults = Options(metrics=('fd', 'kid'), features=('pixels',))
  changed = {k: v for k, v in options._asdict().items() if v != Options()._asdict()[k]}
  paths = [str(folders / name) for name in images]
  return evaluate_folders.evaluate_folders(
    paths, str(folders / 'real'), options=defaults._replace(**changed), **others
  )


def test_folders_are_scored_against_real_images_and_the_nearer_one_is_best(folders):
  found = folder_scores(folders, ['dark', 'other'])
  dark, other = (by_key(row) for row in found.rows)
  assert other['fd_pixels'].estimate.value < dark['fd_pixels'].estimate.value
  assert found.best == (1, [])
  assert other['fd_pixels'].floor is not None
  assert (other['fd_pixels'].n, other['fd_pixels'].n_real, other['fd_pixels'].n_floor) == (
    120,
    120,
    60,
  )
  # The whole reference stands beside the images: the value is that of all its images.
  module = registry.find('metrics', 'fd', '')
  features = [_pixels(FolderImages(str(folders / name), '')) for name in ('real', 'other')]
  expected = module.compute(*features)['fd'].value
  assert other['fd_pixels'].estimate.value == pytest.approx(expected, rel=1e-3)


def _pixels(images):
  from gan_jax.metrics.features import Features

  flat = images.fetch(range(len(images)))['image'].reshape(len(images), -1)
  return Features(flat.astype(np.float32) / 255)


def test_classes_by_folder_give_the_scores_of_classes(folders):
  options = Options(metrics=('fd_per_class', 'cas'), features=('pixels',))
  found = folder_scores(folders, ['other'], options, by_folder=True)
  scores = by_key(found.rows[0])
  assert set(scores['fd_per_class_pixels'].details) == set(range(10))
  assert scores['cas'].estimate.value > 0.5
  assert found.rows[0].class_names == tuple(map(str, range(10)))


def test_held_out_images_of_their_own_give_the_floor(folders):
  found = folder_scores(folders, ['dark'], held_out=str(folders / 'other'))
  again = folder_scores(folders, ['other'])
  floor = by_key(found.rows[0])['fd_pixels'].floor
  assert floor.value == pytest.approx(by_key(again.rows[0])['fd_pixels'].estimate.value, rel=1e-6)


def test_images_that_are_all_the_same_are_told(folders, tmp_path):
  for number in range(5):
    save_image(str(tmp_path / f'{number}.png'), np.full((16, 16, 1), 9, np.uint8))
  found = evaluate_folders.evaluate_folders(
    [str(tmp_path)], str(folders / 'real'),
    options=Options(metrics=('fd',), features=('pixels',)),
  )  # fmt: skip
  assert any('all 5 images are one and the same' in note for note in found.notes)
  with pytest.raises(UserError, match=r'--reference=.*: all 5 images are one and the same'):
    evaluate_folders.evaluate_folders(
      [str(folders / 'other')], str(tmp_path),
      options=Options(metrics=('fd',), features=('pixels',)),
    )  # fmt: skip


@pytest.mark.parametrize(
  ('options', 'message'),
  [
    (Options(num_samples=1000), r'--num_samples=1000: --images=.* has 120 images'),
    (Options(num_samples=0), '--num_samples=0: must be positive'),
    (Options(metrics=('fid',)), "--metrics=fid: unknown; did you mean 'fd'|'kid'"),
    (
      Options(features=('inception',)),
      "--features=inception: unknown; did you mean 'inception_v3'",
    ),
    (Options(resize='none'), '--resize=none: accepted: antialias, legacy'),
    (Options(best='fid_pixels'), "--best=fid_pixels: did you mean 'f?k?i?d_pixels'"),
    (Options(weights={'vgg': 'x'}), '--weights=vgg=...: takes no file of weights; accepted: dino'),
    (Options(weights={'pixels': 'x'}), '--weights=pixels=...: takes no file of weights'),
    (Options(metrics=('fd', 'fd')), '--metrics=fd,fd: fd and another of them are the same'),
    (Options(metrics=('path_length',)), '--metrics=path_length: it takes a generator'),
    (Options(metrics=('fd_per_class',)), '--metrics=fd_per_class: the real images have no classes'),
    (Options(features=('inception_v3',)), '--weights=inception_v3=FILE'),
  ],
)
def test_what_cannot_be_asked_is_one_line(folders, options, message):
  with pytest.raises(UserError, match=message) as stopped:
    folder_scores(folders, ['other'], options)
  assert '\n' not in str(stopped.value)


def test_a_class_that_is_missing_is_named(folders, tmp_path):
  shutil.copytree(folders / 'other', tmp_path / 'few')
  shutil.rmtree(tmp_path / 'few' / '7')
  with pytest.raises(UserError, match=r'few: .*class 7'):
    evaluate_folders.evaluate_folders(
      [str(tmp_path / 'few')], str(folders / 'real'), by_folder=True,
      options=Options(metrics=('fd_per_class',), features=('pixels',)),
    )  # fmt: skip


def test_a_folder_that_can_have_no_score_leaves_the_others_theirs(folders, tmp_path):
  shutil.copytree(folders / 'other', tmp_path / 'few')
  for number in range(11):
    (tmp_path / 'few' / '7' / f'{number}.png').unlink()
  found = evaluate_folders.evaluate_folders(
    [str(tmp_path / 'few'), str(folders / 'dark')], str(folders / 'real'), by_folder=True,
    options=Options(metrics=('fd_per_class',), features=('pixels',), allow_different_n=True),
  )  # fmt: skip
  (row,) = found.rows
  assert row.subject.endswith('dark')
  assert any('few: no fd_per_class: class 7' in note for note in found.notes)


def test_a_score_that_images_cannot_give_is_left_out_with_a_note(folders, tmp_path):
  shutil.copytree(folders / 'other', tmp_path / 'few')
  shutil.rmtree(tmp_path / 'few' / '7')
  found = evaluate_folders.evaluate_folders(
    [str(tmp_path / 'few')], str(folders / 'real'), by_folder=True,
    options=Options(metrics=('fd', 'fd_per_class'), features=('pixels',)),
  )  # fmt: skip
  assert list(by_key(found.rows[0])) == ['fd_pixels']
  assert any('no fd_per_class: class 7' in note for note in found.notes)


def test_memorisation_takes_held_out_images_and_copies_are_told(folders):
  options = Options(metrics=('nearest',), features=('pixels',))
  with pytest.raises(UserError, match='--metrics=nearest: it takes images that are not in the ref'):
    folder_scores(folders, ['real'], options)
  found = folder_scores(folders, ['real'], options, held_out=str(folders / 'other'))
  scores = by_key(found.rows[0])
  assert scores['nearest_ratio_pixels'].estimate.value == 0
  assert scores['authenticity_pixels'].estimate.value == 0
  assert any('120 of 120 images are copies of images of --reference' in n for n in found.notes)


def test_the_number_of_real_images_can_be_as_small_as_that_set_aside(folders):
  found = folder_scores(folders, ['other'], Options(num_samples=40, num_reals=40))
  score = by_key(found.rows[0])['fd_pixels']
  assert (score.n, score.n_real, score.n_floor, score.n_real_floor) == (40, 40, 20, 20)


def test_folders_of_different_sizes_of_images_are_refused(folders, tmp_path):
  save_image(str(tmp_path / 'x.png'), np.zeros((8, 8, 1), np.uint8))
  with pytest.raises(UserError, match=r'holds images of 8x8, --reference=.* of 16x16'):
    evaluate_folders.evaluate_folders([str(tmp_path)], str(folders / 'real'))


def test_too_few_images_for_a_score_are_told(folders, tmp_path):
  save_image(str(tmp_path / 'x.png'), np.zeros((16, 16, 1), np.uint8))
  with pytest.raises(UserError, match=r'^--images=.*: .*1'):
    evaluate_folders.evaluate_folders(
      [str(tmp_path)], str(folders / 'real'),
      options=Options(metrics=('fd',), features=('pixels',)),
    )  # fmt: skip


@pytest.fixture(scope='module')
def exported(finished, tmp_path_factory):
  out = tmp_path_factory.mktemp('shared') / 'digits_gan'
  export.export(finished[0], str(out))
  return str(out)


def test_an_exported_folder_has_the_scores_of_its_run(finished, exported):
  options = Options(features=('pixels',), metrics=('fd', 'kid'), num_samples=96)
  found = evaluate.evaluate_runs([finished[0], exported], options=options)
  run, other = map(by_key, found.rows)
  assert set(run) == {'fd_pixels', 'kid_pixels'}
  for key, score in run.items():
    assert other[key] == score
  assert found.rows[0].images == found.rows[1].images == 192
  assert not (pathlib.Path(exported) / record.NAME).exists()
  with pytest.raises(UserError, match='holds one generator, not checkpoints; leave --all out'):
    RUN([exported], every_step=True)
  with pytest.raises(UserError, match='holds one generator, not checkpoints; leave --step out'):
    RUN([exported], step=12)


def test_an_exported_folder_is_not_scored_on_other_images(exported, tmp_path):
  copy = tmp_path / 'copy'
  shutil.copytree(exported, copy)
  config = json.loads((copy / 'config.json').read_text())
  config.pop('sha256')
  config['dataset']['fingerprints']['digits train'] = '0'
  (copy / 'config.json').write_text(json.dumps(config))
  with pytest.raises(UserError, match=r'other images than it was trained on; or give real .*--ref'):
    RUN([str(copy)])


def against(folders, *paths, labels=False, **options):
  chosen = Options(**{'metrics': ('fd', 'class_accuracy'), 'features': ('pixels',), **options})
  return evaluate_folders.evaluate_against(
    paths, str(folders / 'real'), by_folder=labels, options=chosen
  )


def test_generators_of_any_origin_are_scored_against_a_folder(folders, finished, exported):
  found = against(folders, finished[0], exported, metrics=('fd', 'kid'))
  run, other = map(by_key, found.rows)
  for key, score in run.items():
    assert other[key] == score
  assert (score.n, score.n_real) == (120, 120)  # as many as there are real images
  assert [(row.step, row.images) for row in found.rows] == [(12, 192)] * 2
  # An answer of its own: the same images out of a folder.
  model = gan_jax.open(exported)
  labels = np.arange(120) % 10
  network = functools.partial(model.generator.apply, model.variables, train=False)
  drawn = programs.latents([1] * 120, np.arange(120), model.z_dim)
  images = np.clip(np.round((np.asarray(network(drawn, labels)) + 1) * 127.5), 0, 255) / 255
  reals = FolderImages(str(folders / 'real'), '--reference').fetch(range(120))['image'] / 255
  flat = [Features(x.reshape(120, -1).astype(np.float32)) for x in (reals, images)]
  assert run['fd_pixels'].estimate.value == pytest.approx(fd.compute(*flat)['fd'].value, rel=1e-3)


def test_a_generator_makes_as_many_images_as_are_asked_for(folders, exported):
  found = against(folders, exported, metrics=('fd',), num_samples=30)
  assert [(score.n, score.n_real) for score in found.rows[0].scores] == [(30, 120)]


def test_what_has_checkpoints_is_a_run_and_what_is_not_there_is_refused_as_one(finished, exported):
  paths = finished[0], '/nowhere', exported, str(PUBLISHED / 'r3gan.pkl')
  assert [build.is_run(path) for path in paths] == [True, True, False, False]


def test_classes_of_the_folder_are_asked_for_by_their_names(folders, exported):
  found = against(
    folders, exported, labels=True, features=('classifier',), metrics=('class_accuracy',)
  )
  assert set(by_key(found.rows[0])) == {'class_accuracy_classifier'}
  with pytest.raises(UserError, match='have no classes'):
    against(folders, exported, metrics=('class_accuracy',))


def test_a_published_file_needs_real_images_of_its_size(folders, tmp_path):
  path = str(PUBLISHED / 'r3gan.pkl')
  with pytest.raises(UserError, match='does not say which images it was trained on; give real'):
    evaluate.evaluate_runs([path])
  (tmp_path / 'other').mkdir()
  save_image(str(tmp_path / 'other' / 'a.png'), np.zeros((8, 8, 1), np.uint8))
  save_image(str(tmp_path / 'other' / 'b.png'), np.ones((8, 8, 1), np.uint8))
  with pytest.raises(UserError, match=r'images of 8x8 grey, .*r3gan.pkl makes 16x16 rgb; accepted'):
    evaluate_folders.evaluate_against([path], str(tmp_path / 'other'))
  found = against(folders, path, metrics=('fd',))  # grey ones are taken as RGB
  (row,) = found.rows
  assert found.best_key == 'fd_pixels'  # though none was asked for
  assert (row.step, row.label) == (None, path)
  assert row.scores[0].estimate.value > row.scores[0].floor.value


def test_pictures_of_tenths_are_of_the_best_and_refused_without_a_place(folders, tmp_path):
  common = ('evaluate', f'--reference={folders / "real"}', '--metrics=fd', '--features=pixels')
  both = f'--images={folders / "dark"},{folders / "other"}'
  assert 'launch.py: --tenths: needs --out=' in one_line(call(*common, both, '--tenths').err)
  said = call(*common, both, '--tenths', f'--out={tmp_path}')
  assert said.code == 0, said.err
  assert 'by tenths: best ' in said.out
  shown = {path.stem: np.asarray(Image.open(path)) for path in (tmp_path / 'tenths').glob('*')}
  assert set(shown) == {'best', 'median', 'worst'}
  assert all(picture.max() > 127 for picture in shown.values())  # those that are not darkened


def test_the_command_takes_files_and_refuses_in_a_line_what_has_no_part(folders, tmp_path):
  file, out = f'--workdir={PUBLISHED / "r3gan.pkl"}', f'--out={tmp_path / "scores"}'
  real = f'--reference={folders / "real"}'
  for words, message in {
    (file, out): 'does not say which images it was trained on; give real images by --reference=',
    (file, real, out, '--all'): '--all: has no part in --reference; leave one of them out',
    (file, real, out, '--step=3'): 'holds one generator, not checkpoints; leave --step out',
    (file, f'--held_out={folders / "other"}', out): '--held_out: has no part in --workdir',
    (file, real, out, '--labels=table.csv'): '--labels=table.csv: accepted: folders',
  }.items():
    said = call('evaluate', *words)
    assert said.code == 2
    assert message in one_line(said.err)
  assert not (tmp_path / 'scores').exists()
  said = call('evaluate', file, real, out, '--metrics=fd', '--features=pixels')
  assert said.code == 0, said.err
  scores = json.loads((tmp_path / 'scores' / 'scores.json').read_text())
  assert scores['rows'][0]['scores'][0]['name'] == 'fd_pixels_antialias_n120'
