"""`metrics.jsonl` when writers are cut off, meet each other, or leave what is no line."""

import fcntl
import json
import multiprocessing
import threading

import pytest

from gan_jax.errors import UserError
from gan_jax.workdir import record
from gan_jax.workdir.claim import writing


def append(workdir, step, kind='train'):
  record.append_line(workdir, kind, step, 10 * step, {'value': step})


def append_many(workdir, kind):
  for step in range(50):
    append(workdir, step, kind)


@pytest.mark.parametrize(
  ('torn', 'lost'),
  [
    (b'{"kind": "train", "st', True),
    (b'\xff\xfe', True),
    (b'{"kind": "train", "step": 9, "images": 90, "time": 1}', False),  # whole but for its end
  ],
)
def test_whoever_appends_mends_a_torn_line(tmp_path, torn, lost):
  workdir = str(tmp_path)
  append(workdir, 1)
  with open(tmp_path / 'metrics.jsonl', 'ab') as file:
    file.write(torn)
  append(workdir, 2, 'evaluate')
  steps = [line['step'] for line in record.read_metrics(workdir)]
  assert steps == ([1, 2] if lost else [1, 9, 2])
  assert all(json.loads(line) for line in (tmp_path / 'metrics.jsonl').read_text().splitlines())


def test_a_file_of_nothing_but_a_torn_line_is_mended(tmp_path):
  (tmp_path / 'metrics.jsonl').write_bytes(b'{"ki')
  append(str(tmp_path), 1)
  assert [line['step'] for line in record.read_metrics(str(tmp_path))] == [1]


def test_lines_of_several_processes_are_all_there(tmp_path):
  context = multiprocessing.get_context('spawn')
  processes = [
    context.Process(target=append_many, args=(str(tmp_path), kind)) for kind in ('a', 'b', 'c')
  ]
  for process in processes:
    process.start()
  for _ in range(5):  # and starts of a run among them, that undo nothing
    record.undo(str(tmp_path), 100)
  for process in processes:
    process.join()
  for kind in ('a', 'b', 'c'):
    assert [line['step'] for line in record.read_metrics(str(tmp_path), kind)] == list(range(50))


def test_a_line_that_comes_while_steps_are_undone_stays(tmp_path):
  workdir = str(tmp_path)
  for step in (1, 2, 3):
    append(workdir, step)
  with writing(workdir):
    late = threading.Thread(target=append, args=(workdir, 2, 'evaluate'))
    late.start()
    assert record.undo(workdir, 2) == 1
  late.join()
  kinds = [(line['kind'], line['step']) for line in record.read_metrics(workdir)]
  assert kinds == [('train', 1), ('train', 2), ('evaluate', 2)]


def test_the_record_is_locked_until_the_outermost_writer_is_done(tmp_path):
  def locked():
    with open(tmp_path / '.record.lock') as file:
      try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
      except BlockingIOError:
        return True
      return False

  for _ in range(2):
    with writing(str(tmp_path)):
      assert locked()
      with writing(str(tmp_path)):  # one that calls another does not wait for itself
        assert locked()
      assert locked()
    assert not locked()


@pytest.mark.parametrize(
  'bad', [b'\xff\xfe\n', b'[1, 2]\n', b'{"kind": "train"}\n', b'{"kind": 1, "step": 1}\n', b'{\n']
)
def test_a_line_that_is_none_is_named_by_its_number(tmp_path, bad):
  append(str(tmp_path), 1)
  with open(tmp_path / 'metrics.jsonl', 'ab') as file:
    file.write(bad)
  with pytest.raises(UserError, match=r'metrics\.jsonl: line 2 is none') as stopped:
    record.read_metrics(str(tmp_path))
  assert '\n' not in str(stopped.value)


def test_a_line_within_another_is_none_of_its_own_kind(tmp_path):
  inner = {'kind': 'train', 'step': 1, 'images': 10}
  record.append_line(str(tmp_path), 'note', 1, 10, {'of': inner})
  append(str(tmp_path), 2)
  assert [line['step'] for line in record.read_metrics(str(tmp_path), 'train')] == [2]
  assert [line['of'] for line in record.read_metrics(str(tmp_path), 'note')] == [inner]


def test_a_record_that_has_not_begun_has_no_bytes_and_nothing_to_undo(tmp_path):
  assert record.Unkept(str(tmp_path)).size() == 0
  assert record.undo(str(tmp_path), 0) == 0


@pytest.mark.parametrize('name', ['config.json', 'run.json'])
@pytest.mark.parametrize('bad', [b'', b'{"a": ', b'[]', b'\xff\xff', b'"text"', b'null'])
def test_a_damaged_file_of_the_record_is_named(tmp_path, name, bad):
  (tmp_path / name).write_bytes(bad)
  read = record.load_config if name == 'config.json' else record.read_circumstances
  with pytest.raises(UserError, match=f'{name}: damaged') as stopped:
    read(str(tmp_path))
  assert '\n' not in str(stopped.value)


@pytest.mark.parametrize('held', [{'dataset': []}, {'dataset': 'digits'}, {'starts': {}}])
def test_circumstances_of_another_form_are_damage(tmp_path, held):
  (tmp_path / 'run.json').write_text(json.dumps({'dataset': {}, 'starts': [], **held}))
  with pytest.raises(UserError, match=r'run\.json: damaged'):
    record.read_circumstances(str(tmp_path))


@pytest.fixture
def looked_at(monkeypatch):
  """The lines that are read as JSON."""
  found, line = [], record._line
  monkeypatch.setattr(record, '_line', lambda text: found.append(text) or line(text))
  return found


def long_record(path, count):
  """Lines of training and, now and then, of scores, as a long run leaves them."""
  lines = []
  for step in range(1, count + 1):
    about = {'step': step, 'images': 10 * step, 'time': 0.5}
    lines.append(json.dumps({'kind': 'train', **about, 'd_loss': 0.25}))
    if step % 1000 == 0:
      lines.append(json.dumps({'kind': 'scores', **about, 'fd_pixels': 1.0}))
  path.write_text('\n'.join(lines) + '\n')


def test_of_a_long_record_a_start_looks_at_the_end_and_at_scores_alone(tmp_path, looked_at):
  path = tmp_path / 'metrics.jsonl'
  long_record(path, 20_000)
  before = path.read_bytes()
  opened = record.Record(str(tmp_path), 19_990, 199_900)
  assert len(record.read_metrics(str(tmp_path), 'scores')) == 19
  assert record.read_metrics(str(tmp_path), 'end') == []
  opened.write('train', 19_991, 199_910, {})
  opened.close()
  assert len(looked_at) < 1000
  undone = (tmp_path / 'metrics.undone.jsonl').read_text().splitlines()
  assert [json.loads(line)['step'] for line in undone] == [*range(19_991, 20_001), 20_000]
  now = path.read_bytes()
  assert before.startswith(now[: now.rindex(b'{"kind"')])
  assert len(record.read_metrics(str(tmp_path))) == 19_990 + 19 + 1


def test_far_back_all_later_lines_are_undone_and_no_others(tmp_path):
  path = tmp_path / 'metrics.jsonl'
  long_record(path, 5000)
  record.append_line(str(tmp_path), 'evaluate', 1500, 15_000, {})
  assert record.undo(str(tmp_path), 1500) == 3500 + 4
  found = [(line['kind'], line['step']) for line in record.read_metrics(str(tmp_path))]
  trained = [('train', step) for step in range(1, 1501)]
  assert found == [*trained[:1000], ('scores', 1000), *trained[1000:], ('evaluate', 1500)]


def test_a_torn_line_after_many_is_mended_without_reading_them(tmp_path, looked_at):
  path = tmp_path / 'metrics.jsonl'
  long_record(path, 5000)
  with path.open('ab') as file:
    file.write(b'{"kind": "train", "st')
  append(str(tmp_path), 5001)
  assert len(looked_at) == 1
  assert [line['step'] for line in record.read_metrics(str(tmp_path), 'train')][-2:] == [5000, 5001]


def test_a_record_that_is_shorter_than_it_was_is_told(tmp_path, caplog):
  long_record(tmp_path / 'metrics.jsonl', 10)
  size = (tmp_path / 'metrics.jsonl').stat().st_size
  record.Record(str(tmp_path), 10, 100, size).close()
  assert 'missing' not in caplog.text
  record.Record(str(tmp_path), 10, 100, size + 7).close()
  assert '7 bytes are missing of what it held when step 10 was saved' in caplog.text
