"""Scoring of runs, with the real metrics and networks."""

import functools
import json
import shutil
import types

import numpy as np
import pytest

from configs import smoke
from gan_jax import build, evaluate, registry
from gan_jax.errors import NonFiniteError, UserError
from gan_jax.evaluation import evaluator, report, scores, subject
from gan_jax.evaluation.options import Options
from gan_jax.metrics import fd
from gan_jax.metrics.estimate import Estimate
from gan_jax.metrics.features import Features
from gan_jax.workdir import record

RUN = functools.partial(evaluate.evaluate_runs, options=Options(num_samples=96))


def by_key(row):
  return {score.key: score for score in row.scores}


def test_evaluating_the_checkpoint_gives_the_scores_of_the_run(finished):
  workdir, scores = finished
  found = evaluate.evaluate_runs([workdir])
  (row,) = found.rows
  assert (row.step, row.images) == (12, 192)
  for key, score in by_key(row).items():
    assert score.estimate.value == pytest.approx(scores[key], rel=1e-5), key
    assert score.floor.value == pytest.approx(scores[f'floor_{key}'], rel=1e-5, abs=1e-6), key
    assert (score.n, score.n_floor, score.n_real) == (64, 64, 256)
  assert record.read_metrics(workdir, 'evaluate')[-1]['step'] == 12
  # Which classifier it was, as each machine teaches its own.
  digest = record.read_circumstances(workdir)['features']['classifier']['digest']
  for kind in ('scores', 'evaluate'):
    assert record.read_metrics(workdir, kind)[-1]['digest_classifier'] == digest


@pytest.mark.slow
def test_every_metric_that_a_run_can_have_is_given_with_interval_and_floor(finished, tmp_path):
  found = RUN([finished[0]], options=Options(metrics=('all',), num_samples=96, repeats=2))
  scores = by_key(found.rows[0])
  given = {score.metric for score in scores.values()}
  modules = [registry.find('metrics', name, '') for name in registry.names('metrics')]
  assert given == {name for module in modules for name in module.SCORES}
  for score in scores.values():
    assert score.estimate.low <= score.estimate.value <= score.estimate.high, score.key
    assert (score.floor is None) == (score.metric == 'path_length'), score.key
    assert score.repeats[0] == score.estimate.value
    assert len(score.repeats) == 2
  assert scores['fd_classifier'].repeats[0] != scores['fd_classifier'].repeats[1]
  assert set(scores['fd_per_class_classifier'].details) == set(range(10))
  report.write(found, str(tmp_path))
  assert len(json.loads((tmp_path / 'scores.json').read_text())['rows'][0]['scores']) == len(scores)


def test_all_checkpoints_are_scored_and_the_best_is_told(finished):
  found = RUN([finished[0]], every_step=True)
  steps = [row.step for row in found.rows]
  assert steps == sorted(steps)
  assert len(steps) >= 2
  values = [by_key(row)['fd_classifier'].estimate.value for row in found.rows]
  assert found.best_key == 'fd_classifier'
  assert found.best[0] == int(np.argmin(values))
  assert found.gallery.subject == found.rows[found.best[0]].label
  assert found.gallery.images.shape == found.gallery.nearest.shape == (12, 16, 16, 1)


def test_runs_of_different_numbers_of_images_are_refused(finished, tmp_path):
  other = tmp_path / 'other'
  shutil.copytree(finished[0], other)
  config = json.loads((other / 'config.json').read_text())
  del config['sha256']  # by which a change would be known
  config['evaluate']['num_samples'] = 32
  (other / 'config.json').write_text(json.dumps(config))
  with pytest.raises(UserError, match=r'64, .*other: 32\); give --num_samples=32, or --allow'):
    evaluate.evaluate_runs([finished[0], str(other)])
  found = evaluate.evaluate_runs(
    [finished[0], str(other)], options=Options(metrics=('fd',), allow_different_n=True)
  )
  assert [row.scores[0].n for row in found.rows] == [64, 32]
  assert [row.scores[0].name for row in found.rows] == ['fd_classifier_n64', 'fd_classifier_n32']


def test_a_metric_that_cannot_be_had_is_refused_by_name_and_left_out_of_all(finished):
  features = ('pixels',)
  with pytest.raises(UserError, match=r'--metrics=class_accuracy: pixels does not know the datas'):
    RUN([finished[0]], options=Options(metrics=('class_accuracy',), features=features))
  found = RUN([finished[0]], options=Options(features=features, num_samples=32))
  assert set(by_key(found.rows[0])) == {'fd_pixels', 'kid_pixels'}
  assert "no class_accuracy: pixels does not know the dataset's classes" in found.notes[0]


def test_a_generator_whose_pixels_are_no_numbers_is_told(finished, monkeypatch):
  opened = build.open_generator

  def broken(workdir, step):
    run = opened(workdir, step)
    return run._replace(variables=_map(run.variables, np.nan))

  monkeypatch.setattr(build, 'open_generator', broken)
  with pytest.raises(NonFiniteError, match='NaN or infinite pixels'):
    RUN([finished[0]])


def _map(tree, value):
  import jax

  return jax.tree.map(lambda x: np.full_like(x, value), tree)


def test_the_shown_real_image_is_the_nearest(digits, held_out_digits):
  asked = evaluator.Asked(
    metrics=(), features=('pixels',), num_samples=20, num_reals=300, batch_size=64, seed=0
  )
  made = evaluator.Evaluator(asked, digits, held_out_digits)
  rows = np.arange(20)
  images, nearest, distances = made.shown(subject.of_dataset('x', held_out_digits, rows))
  chosen = np.random.default_rng(0).permutation(len(digits))[:300]
  reals = digits.fetch(chosen)['image'].reshape(300, -1) / 255.0
  flat = images.reshape(12, -1) / 255.0
  every = np.linalg.norm(flat[:, None] - reals[None], axis=-1)
  np.testing.assert_allclose(distances, every.min(1), rtol=1e-4)
  np.testing.assert_array_equal(nearest.reshape(12, -1), (reals * 255)[every.argmin(1)].round())


def test_the_tenths_are_of_the_images_that_are_scored_drawn_once(digits, held_out_digits):
  of, drawn = subject.of_dataset('x', held_out_digits, np.arange(60)), []

  def batches(seed, first, end):
    for batch in of.batches(seed, first, end):
      drawn.append((seed, len(batch)))
      yield batch

  known = {'metrics': ('fd',), 'features': ('pixels',), 'num_samples': 60, 'num_reals': 300}
  asked = evaluator.Asked(**known, batch_size=64, seed=4, tenths=True)
  told = []
  made = evaluator.Evaluator(asked, digits, held_out_digits, lambda *of: told.append(of))
  made.score(of._replace(batches=batches), repeats=2)
  assert told.count(('x: fd', 0, 0)) == 2  # whoever waits knows of each score that is made
  assert [sum(size for each, size in drawn if each == seed) for seed in (5, 6)] == [60, 60]
  flat = lambda images: images.reshape(len(images), -1) / 255.0
  reals = flat(digits.fetch(np.random.default_rng(4).permutation(len(digits))[:300])['image'])
  every = flat(held_out_digits.fetch(np.arange(60))['image'])
  fifth = lambda rows: np.sort(np.linalg.norm(rows[:, None] - reals[None], axis=-1), axis=1)[:, 4]
  order = np.sort(fifth(every))
  for tenth, first in zip(made.tenths, (0, 27, 54), strict=True):
    np.testing.assert_allclose(
      np.sort(fifth(flat(tenth.images))), order[first : first + 6], rtol=1e-4
    )
    np.testing.assert_allclose(tenth.distances, order[[first, first + 5]], rtol=1e-4)


PIXELS = Options(num_samples=32, metrics=('fd',), features=('pixels',))


@pytest.fixture
def copies(finished, tmp_path):
  """Two copies of a run."""
  for name in ('a', 'b'):
    shutil.copytree(finished[0], tmp_path / name)
  return tmp_path


def test_a_run_that_cannot_be_scored_does_not_cost_the_others(copies):
  for manifest in (copies / 'b' / 'checkpoints').glob('*/default/manifest.ocdbt'):
    manifest.write_bytes(b'')
  found = RUN([str(copies / 'b'), str(copies / 'a')], options=PIXELS)
  assert [row.subject for row in found.rows] == [str(copies / 'a')]
  assert any(str(copies / 'b') in note and 'damaged' in note for note in found.notes)
  with pytest.raises(UserError, match='damaged'):
    RUN([str(copies / 'b')], options=PIXELS)


def test_a_checkpoint_that_cannot_be_read_does_not_cost_the_others(copies):
  newest = max((copies / 'a' / 'checkpoints').iterdir())
  (newest / 'default' / 'manifest.ocdbt').write_bytes(b'')
  found = RUN([str(copies / 'a')], every_step=True, options=PIXELS)
  assert int(newest.name) not in [row.step for row in found.rows]
  assert len(found.rows) == len(list((copies / 'a' / 'checkpoints').iterdir())) - 1
  assert any('damaged' in note for note in found.notes)


def test_a_checkpoint_is_found_by_the_images_shown(copies):
  (row,) = RUN([str(copies / 'a')], step=192, options=PIXELS).rows
  assert (row.step, row.images) == (12, 192)
  with pytest.raises(UserError, match=r'no checkpoint of step 191; found: .*12 \(192 images\)'):
    RUN([str(copies / 'a')], step=191, options=PIXELS)


def test_a_run_that_cannot_be_written_is_scored_and_its_record_left(copies, monkeypatch):
  before = (copies / 'a' / 'metrics.jsonl').read_bytes()
  monkeypatch.setattr(evaluate.os, 'access', lambda path, mode: False)
  found = RUN([str(copies / 'a')], options=PIXELS)
  assert found.rows
  assert any('cannot be written' in note for note in found.notes)
  assert (copies / 'a' / 'metrics.jsonl').read_bytes() == before


def test_a_record_that_is_full_at_the_end_of_the_work_costs_no_score(copies, monkeypatch):
  def full(*_):
    raise OSError(28, 'No space left on device')

  monkeypatch.setattr(evaluate.record, 'append_line', full)
  found = RUN([str(copies / 'a')], options=PIXELS)
  assert found.rows
  assert any('No space left on device' in note for note in found.notes)


def test_data_that_were_moved_are_named_by_their_folder(copies, data_dir):
  path = copies / 'a' / 'config.json'
  config = json.loads(path.read_text())
  del config['sha256']
  config['dataset']['data_dir'] = str(copies / 'gone')
  path.write_text(json.dumps(config))
  assert RUN([str(copies / 'a')], options=PIXELS._replace(data_dir=data_dir)).rows


def test_runs_against_different_numbers_of_reals_are_no_table(copies):
  path = copies / 'a' / 'config.json'
  config = json.loads(path.read_text())
  del config['sha256']
  config['evaluate']['num_reals'] = 100
  path.write_text(json.dumps(config))
  workdirs = [str(copies / 'a'), str(copies / 'b')]
  with pytest.raises(UserError, match='--num_reals=100, or --allow_different_n'):
    RUN(workdirs, options=PIXELS)
  assert len(RUN(workdirs, options=PIXELS._replace(allow_different_n=True)).rows) == 2


@pytest.mark.parametrize('data', [('one', 'one'), ('one', 'other')])
def test_of_runs_on_different_data_it_is_said_which_are_on_what(monkeypatch, data):
  on = dict(zip(('a', 'b'), data, strict=True))

  def scored(workdir, asked, step, every_step, options, found, watch):
    one = scores.Score('fd', 'pixels', 'none', False, Estimate(3.0, 2.0, 4.0), n=32, n_real=256)
    made = types.SimpleNamespace(score=lambda *_: [one], shown=lambda _: (None,) * 3, tenths=())
    found.add(scores.Scored(workdir, []), types.SimpleNamespace(name=workdir), made)
    return {on[workdir]: 'fingerprint'}

  monkeypatch.setattr(evaluate, '_config', lambda *_: smoke.get_config())
  monkeypatch.setattr(evaluate, '_evaluate_run', scored)
  notes = RUN(['a', 'b'], options=PIXELS).notes
  assert len(notes) == len(set(data)) - 1
  assert all(note.endswith('its own: a: one; b: other') for note in notes)


def test_both_halves_of_the_images_are_scored_where_that_is_asked_for(digits, held_out_digits):
  known = {'metrics': ('fd', 'kid'), 'features': ('pixels',), 'num_samples': 60, 'num_reals': 300}
  asked = evaluator.Asked(**known, batch_size=64, seed=0, halves='fd_pixels')
  made = evaluator.Evaluator(asked, digits, held_out_digits)
  scored = {
    score.key: score
    for score in made.score(subject.of_dataset('x', held_out_digits, np.arange(60)))
  }
  flat = lambda data, rows: data.fetch(rows)['image'].reshape(len(rows), -1) / np.float32(255)
  reals = Features(flat(digits, np.random.default_rng(0).permutation(len(digits))[:300]))
  expected = [
    fd.compute(reals, Features(flat(held_out_digits, np.arange(first, 60, 2))))['fd'].value
    for first in (0, 1)
  ]
  assert scored['fd_pixels'].halves == pytest.approx(expected, rel=1e-4)
  assert scored['kid_pixels'].halves == ()
  line = scores.flat(scored.values())
  assert line['fd_pixels_half2'] == pytest.approx(expected[1], rel=1e-4)
