"""`metrics.jsonl` when writers are cut off, meet each other, or leave what is no line."""

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


@pytest.mark.parametrize('name', ['config.json', 'run.json'])
@pytest.mark.parametrize('bad', [b'', b'{"a": ', b'[]', b'\xff\xff', b'"text"', b'null'])
def test_a_damaged_file_of_the_record_is_named(tmp_path, name, bad):
  (tmp_path / name).write_bytes(bad)
  read = record.load_config if name == 'config.json' else record.read_circumstances
  with pytest.raises(UserError, match=f'{name}: damaged') as stopped:
    read(str(tmp_path))
  assert '\n' not in str(stopped.value)
