"""The mutation run on a project of two functions, of which one is tested."""

import ast
import json
import re
import subprocess

import pytest

from tests.mutate import __main__ as command
from tests.mutate import by_hand, choosing, drawing, operators

SOURCE = '''"""Sums."""


def total(values):
  """The sum."""
  return sum(values) + 0


def untested(values):
  return max(values)
'''
TEST = """
from gan_jax.sums import numbers


def test_the_sum():
  assert numbers.total([1, 2]) == 3


def test_that_fails_anyway():
  assert numbers.total([1]) == 2
"""


@pytest.fixture
def toy(tmp_path):
  for path, text in {
    'gan_jax/__init__.py': '',
    'gan_jax/sums/__init__.py': '',
    'gan_jax/sums/numbers.py': SOURCE,
    'tests/sums/test_numbers.py': TEST,
    '.pytest.ini': '[pytest]\npythonpath = .\naddopts = --import-mode=importlib\n',
  }.items():
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(text)
  subprocess.run(['git', '-C', str(tmp_path), 'init', '-q'], check=True)
  return tmp_path


def test_it_tells_what_tests_notice_from_what_they_do_not_and_leaves_the_tree(
  toy, monkeypatch, capsys
):
  path = 'gan_jax/sums/numbers.py'
  changes = [
    (path, 'sum(values) + 0', 'sum(values) + 1'),
    (path, 'max(values)', 'min(values)'),
    (path, 'max(values)', 'max([*values])'),
  ]
  monkeypatch.setattr(by_hand, 'CHANGES', changes)
  known = {(path, 'return max(values)', 'return max([*values])'): 'the same values'}
  monkeypatch.setattr(drawing, 'equivalent', lambda: known)
  results = toy / 'results.jsonl'
  arguments = ['--room=sums', '--count=0', f'--json={results}']
  assert command.main(arguments, toy) == 1
  found = [json.loads(line) for line in results.read_text().splitlines()]
  assert {(each['state'], each['by']) for each in found} == {
    ('noticed', 'tests/sums/test_numbers.py::test_the_sum'),
    ('not noticed', ''),
    ('equivalent', 'the same values'),
  }
  assert (toy / path).read_text() == SOURCE
  shown = capsys.readouterr().out
  assert '+  return min(values)' in shown
  assert '| sums | 1 | 1 | 1 | 50% |' in shown
  # What the file holds is not tried again.
  monkeypatch.setattr('tests.mutate.trying.Copy.attempt', None)
  assert command.main(arguments, toy) == 1
  assert len(results.read_text().splitlines()) == 3


def test_parts_of_a_run_are_all_of_it_and_have_nothing_in_common(toy, monkeypatch, capsys):
  changes = [('gan_jax/sums/numbers.py', '+ 0', f'+ {number}') for number in range(1, 6)]
  monkeypatch.setattr(by_hand, 'CHANGES', changes)
  arguments = ['--room=sums', '--count=0', '--list']
  told = []
  for part in ('1/2', '2/2', '1/1'):
    assert command.main([*arguments, f'--part={part}'], toy) == 0
    told.append(re.findall(r'\+  return sum\(values\) \+ (\d)', capsys.readouterr().out))
  assert told == [['1', '3', '5'], ['2', '4'], ['1', '2', '3', '4', '5']]
  for part in ('0/2', '3/2', '1', '1/0', 'x/2'):
    with pytest.raises(SystemExit) as refused:
      command.main([*arguments, f'--part={part}'], toy)
    assert refused.value.code == 2
    assert f'{part!r}: accepted: such as 1/2 and 2/2' in capsys.readouterr().err


def test_a_draw_is_of_its_seed_and_has_no_change_twice(toy):
  draw = lambda root, room, seed: [m.key for m in drawing.draw(root, room, 8, seed)]
  found = [draw(command._ROOT, 'ops', seed) for seed in (0, 0, 1)]
  assert found[0] == found[1] != found[2]
  everything = draw(toy, 'sums', 0)
  assert 3 < len(set(everything)) == len(everything) < 8


OPERATORS = {
  'x = a < b': 'x = a <= b',
  'x = a + b': 'x = a - b',
  'x = (a) / (b)': 'x = (a) * (b)',
  'x = a and b': 'x = a or b',
  'x = not a': 'x = (a)',
  'x = 3': 'x = 6',
  'x = 0.5': 'x = 1.0',
  'x = f(a, b)': 'x = f(b, a)',
  'x = f(a, key=b)': 'x = f(a, )',
  'x = any(a)': 'x = all(a)',
  'x = a.sum(axis=1)': 'x = a.sum(axis=0)',
  "x = a['name']": "x = a['name_']",
  'x = a[b:]': 'x = a[b + 1:]',
  'x = a if b else c': 'x = (c)',
  'x = [a for a in b if a]': 'x = [a for a in b if True]',
  'if a:\n  b()': 'if a:\n  pass',
  'def f(a=1):\n  return a': 'def f(a=2):\n  return a',
  '@cached\ndef f():\n  return 1': '# none\ndef f():\n  return 1',
  "x = {'a': 1, 'b': 2}": "x = { 'b': 2}",
  "x = 'ä' and a == b": "x = 'ä' and a != b",
}


@pytest.mark.parametrize('source', OPERATORS)
def test_each_operator_makes_the_change_that_it_is_for(source):
  made = [drawing.mutation('a.py', source, change) for change in operators.changes(source)]
  assert OPERATORS[source] in [each.source for each in made if each is not None]


@pytest.mark.parametrize(
  'source', ["raise ValueError(f'{x + 1} of {y}')", 'import a', '"""1 + 1"""', 'x: int | None']
)
def test_texts_and_types_stay(source):
  made = (drawing.mutation('a.py', source, change) for change in operators.changes(source))
  assert {each.source for each in made if each is not None} <= {'pass'}


def test_arguments_whose_order_is_the_same_to_a_function_stay():
  made = (drawing.mutation('a.py', 'x = max(a, b)', c) for c in operators.changes('x = max(a, b)'))
  assert {each.source for each in made if each is not None} == {'x = min(a, b)'}


def test_every_change_by_hand_is_of_a_line_that_is_there_and_every_reason_of_a_line():
  rooms = drawing.files(command._ROOT)
  made = [m for room in rooms for m in drawing.written(command._ROOT, room)]
  assert len(made) == len(by_hand.CHANGES)
  for each in made:
    ast.parse(each.source)
  for (path, before, _), reason in drawing.equivalent().items():
    lines = {line.strip() for line in (command._ROOT / path).read_text().splitlines()}
    assert set(before.split('\n')) <= lines, (path, before)
    assert reason


def test_the_nearest_tests_are_asked_first():
  stages = choosing.stages(command._ROOT, 'gan_jax/training/step.py')
  assert 'tests/training/test_step.py' in stages[0]
  assert all('/test_step' in path for path in stages[0])
  assert any('tests/test_train.py' in stage for stage in stages)
  everything = [path for stage in stages for path in stage]
  assert len(set(everything)) == len(everything)
  (first, *_) = choosing.stages(command._ROOT, 'gan_jax/train.py')
  assert 'tests/test_train.py' in first
  assert all('/test_train' in path for path in first)
  # A command is asked by its line, not imported.
  named, called, *_ = choosing.stages(command._ROOT, 'gan_jax/commands/interpolate.py')
  assert named == ['tests/test_interpolate.py']
  assert called[0] == 'tests/test_launch.py'
  assert 'tests/commands/test_refusals.py' in called
