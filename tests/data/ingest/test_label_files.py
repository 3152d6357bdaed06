"""Label files of data sets that people have, against pandas and json."""

import io
import json

import numpy as np
import pandas as pd
import pytest

from gan_jax.data.ingest import label_files
from gan_jax.errors import UserError

CELEBA = ['5_o_Clock_Shadow', 'Smiling', 'Young']


def read(path, text, name_column='', label=''):
  data = text if isinstance(text, bytes) else text.encode()
  return label_files.read(path, data, name_column, label)


def refusal(*arguments):
  with pytest.raises(UserError) as stopped:
    read(*arguments)
  assert '\n' not in str(stopped.value)
  return str(stopped.value)


def celeba(count, columns, blanks=' ', name_column=False):
  rng = np.random.default_rng(0)
  rows = {f'{i:06d}.jpg': rng.choice([-1, 1], len(columns)).tolist() for i in range(1, count + 1)}
  head = ['image_id', *columns] if name_column else columns
  lines = [str(count), blanks.join(head) + ' ']
  return rows, '\n'.join(
    lines + [f'{k} {blanks.join(map(str, v))}' for k, v in rows.items()]
  ) + '\n'


@pytest.mark.parametrize('blanks', [' ', '  ', '\t'])
@pytest.mark.parametrize('name_column', [True, False])
def test_celebas_lists_are_read_as_pandas_reads_them(blanks, name_column):
  _, text = celeba(20, CELEBA, blanks, name_column)
  rows, left_out = read('list_attr_celeba.txt', text.replace('\n', '\r\n'))
  names = ['image_id', *CELEBA]
  expected = pd.read_csv(io.StringIO(text), sep=r'\s+', skiprows=2, names=names, index_col=0)
  assert left_out == []
  assert {name: {k: int(v) for k, v in row.items()} for name, row in rows} == expected.T.to_dict()


@pytest.mark.parametrize(
  ('change', 'reason'),
  [
    (lambda t: t.replace('20', '21', 1), 'its first line says 21 rows, and it has 20'),
    (lambda t: t.replace('000003.jpg', '000003.jpg 1'), 'line 5 has 5 values; accepted: a name'),
    (lambda t: t.replace('000003.jpg', ''), 'line 5 has 3 values; accepted: a name and 3 others'),
  ],
)
def test_a_list_that_does_not_keep_its_form_says_the_line(change, reason):
  assert reason in refusal('list_attr_celeba.txt', change(celeba(20, CELEBA)[1]))


@pytest.mark.parametrize(
  ('text', 'column'),
  [
    ('000001.jpg 2880\n000002.jpg  2937\n', 'label'),  # as identity_CelebA.txt
    ('ILSVRC2012_val_00000001.JPEG 65\nILSVRC2012_val_00000002.JPEG 970', 'label'),
    ('image breed\na.png beagle\nb.png pug\n', 'breed'),
  ],
)
def test_a_name_and_a_class_a_line_are_read(text, column):
  rows, _ = read('l.txt', text)
  assert len(rows) == 2
  assert all(list(row) == [column] for _, row in rows)
  last = text.split()[-2:]
  assert rows[-1] == (last[0], {column: last[1]})


def test_other_texts_are_tables():
  assert read('l.txt', 'file,label\na b.png,x\n')[0] == [('a b.png', {'label': 'x'})]
  assert read('l.txt', 'file\tlabel\tage\na b.png\tx\t3\n')[0] == [
    ('a b.png', {'label': 'x', 'age': '3'})
  ]


RECORDS = [
  {'file_name': '0001.png', 'label': 'cat', 'text': 'a cat', 'n': 3},
  {'file_name': 'sub/0002.png', 'label': 'dog', 'text': 'é\u2028 a dog', 'n': None},
]


def lines(records):
  return '\n'.join(json.dumps(record, ensure_ascii=False) for record in records) + '\n\n'


@pytest.mark.parametrize('kind', ['jsonl', 'ndjson', 'json', 'csv', 'parquet'])
def test_metadata_of_image_folders_is_the_same_in_each_of_its_forms(kind):
  frame = pd.DataFrame(RECORDS).astype({'n': 'Int64'})
  text = {
    'jsonl': lambda: lines(RECORDS),
    'ndjson': lambda: lines(RECORDS),
    'json': lambda: json.dumps(RECORDS),
    'csv': lambda: frame.to_csv(index=False),
    'parquet': lambda: frame.to_parquet(),
  }[kind]()
  rows, _ = read(f'metadata.{kind}', text)
  assert rows == [
    ('0001.png', {'label': 'cat', 'text': 'a cat', 'n': '3'}),
    ('sub/0002.png', {'label': 'dog', 'text': 'é\u2028 a dog', 'n': ''}),
  ]


def test_lists_beside_a_class_are_left_out_by_name_and_as_a_class_refused():
  records = [record | {'objects': {'bbox': [[1, 2, 3, 4]]}, 'tags': ['a']} for record in RECORDS]
  rows, left_out = read('metadata.jsonl', lines(records))
  assert left_out == ['objects', 'tags']
  assert [sorted(row) for _, row in rows] == [['label', 'n', 'text']] * 2
  assert '0001.png: tags is ["a"]; accepted: a class' in refusal(
    'm.jsonl', lines(records), '', 'tags'
  )


@pytest.mark.parametrize(
  ('text', 'reason'),
  [
    ('{"file_name": "1.png"}\n{"file_name"', 'line 2 is no JSON'),
    ('{"file_name": "1.png"}\n[1]\n', 'entry 1 names no image'),
    ('{"text": "x"}\n', 'entry 0 names no image; '),
    ('{"a": 1, "a": 2}\n', "line 1 is no JSON: 'a' is there twice"),
    (b'\xff\xfe{\0', 'cannot be read: '),
  ],
)
def test_json_lines_that_cannot_be_read_say_which(text, reason):
  assert reason in refusal('metadata.jsonl', text)


PICTURES = [
  {'nr': 1, 'picture': 'a.png', 'label': 'x'},
  {'nr': 2, 'picture': 'b.png', 'label': 'y'},
]
TABLES = {
  'csv': pd.DataFrame(PICTURES).to_csv(index=False),
  'jsonl': lines(PICTURES),
  'json': json.dumps(PICTURES),
  'parquet': pd.DataFrame(PICTURES).to_parquet(),
}


@pytest.mark.parametrize('kind', TABLES)
def test_the_column_of_the_names_can_be_named(kind):
  assert [name for name, _ in read(f'l.{kind}', TABLES[kind], 'picture')[0]] == ['a.png', 'b.png']
  assert read(f'l.{kind}', TABLES[kind], 'picture')[0][0][1] == {'nr': '1', 'label': 'x'}
  assert '--name_column' in refusal(f'l.{kind}', TABLES[kind])
  found = refusal(f'l.{kind}', TABLES[kind], 'pictures')
  assert found.startswith('--name_column=pictures: no such column in l.')
  assert "did you mean 'picture'" in found


@pytest.mark.parametrize(
  ('name', 'data'),
  [
    ('a.csv', 'file,patient\nx.png,007\n'),
    ('a.tsv', 'file\tpatient\nx.png\t007\n'),
    ('a.json', '[{"file": "x.png", "patient": "007"}]'),
    ('a.jsonl', '{"file": "x.png", "patient": "007"}\n'),
    ('a.txt', '1\npatient\nx.png 007\n'),
  ],
)
def test_numbers_that_are_names_keep_their_zeros(name, data):
  rows, _ = label_files.read(name, data.encode(), '', '')
  assert rows == [('x.png', {'patient': '007'})]
