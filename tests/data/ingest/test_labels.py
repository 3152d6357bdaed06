import json
import os
import shutil
import unicodedata

import pytest

from gan_jax.data.ingest import files, label_files, labels, sources
from gan_jax.data.ingest.picture import RefusedError
from gan_jax.errors import UserError

NAMES = ['a/1.png', 'a/2.png', 'b/2.png', 'b/3.png']
TABLE = 'file,label,age,site\na/1.png,cat,3,x\na/2.png,dog,,y\nb/2.png,cat,4.5,"y, too"\n'
ROWS = {
  'a/1.png': {'label': 'cat', 'age': '3', 'site': 'x'},
  'a/2.png': {'label': 'dog', 'age': '', 'site': 'y'},
  'b/2.png': {'label': 'cat', 'age': '4.5', 'site': 'y, too'},
}


@pytest.fixture
def table_of(tmp_path):
  def read(text, suffix='.csv', label='', names=NAMES):
    path = tmp_path / f'labels{suffix}'
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return labels.read_table(str(path), label, names)

  return read


@pytest.fixture
def refusal_of(table_of):
  def refusal(*arguments):
    with pytest.raises(UserError) as refused:
      table_of(*arguments)
    assert '\n' not in str(refused.value)
    return str(refused.value)

  return refusal


WRITTEN = {
  'plain': TABLE,
  'tabs': TABLE.replace('"y, too"', 'y@ too').replace(',', '\t').replace('@', ','),
  'semicolons': TABLE.replace('"y, too"', 'y@ too').replace(',', ';').replace('@', ','),
  'quotes': '\n'.join(
    line if '"' in line else ','.join(f'"{x}"' for x in line.split(','))
    for line in TABLE.splitlines()
  ),
  'windows': '\ufeff' + TABLE.replace('\n', '\r\n'),
  'old mac': TABLE.replace('\n', '\r'),
  'blanks': '\n'.join(
    line if '"' in line else line.replace(',', ' , ') for line in TABLE.splitlines()
  ),
  'blank lines': TABLE.replace('\n', '\n\n') + ',,,\n',
  'row numbers': '\n'.join(f'{i},{x}' if i else f',{x}' for i, x in enumerate(TABLE.splitlines())),
  'short names': TABLE.replace('a/1', '1'),
  'other slashes': TABLE.replace('a/', 'a\\').replace('b/', './b/'),
  'other columns': TABLE.replace('file,label', 'Filename,label'),
}


@pytest.mark.parametrize('how', WRITTEN)
def test_a_table_is_read_however_it_is_written(table_of, how):
  table = table_of(WRITTEN[how])
  assert table.rows == ROWS
  assert (table.columns, table.label, table.repeated) == (['label', 'age', 'site'], 'label', set())


LIST = [{'file': name, **row} for name, row in ROWS.items()]
NUMBERS = [{'file': 'a/1.png', 'label': 5, 'age': 3.5, 'site': None, 'ill': True}]


@pytest.mark.parametrize(
  'data', [LIST, ROWS, {'labels': ROWS}, {'labels': [[name, row] for name, row in ROWS.items()]}]
)
def test_json_holds_the_same_in_each_of_its_forms(table_of, data):
  table = table_of(json.dumps(data), '.json')
  assert (table.rows, table.columns) == (ROWS, ['label', 'age', 'site'])
  assert table.label == 'label'


def test_numbers_truth_and_nothing_in_json_are_texts(table_of):
  expected = {'label': '5', 'age': '3.5', 'site': '', 'ill': '1'}
  assert table_of(json.dumps(NUMBERS), '.JSON').rows == {'a/1.png': expected}


@pytest.mark.parametrize(
  'data', [{'labels': [['00000/img.png', 5], ['x.png', 0]]}, {'00000/img.png': 5, 'x.png': 0}]
)
def test_classes_alone_are_read_as_stylegan_writes_them(table_of, data):
  table = table_of(json.dumps(data), '.json')
  assert table.rows == {'00000/img.png': {'label': '5'}, 'x.png': {'label': '0'}}
  assert table.label == 'label'


@pytest.mark.parametrize(
  ('data', 'reason'),
  [
    ({'labels': [['a.png', [0, 1, 0]]]}, 'a.png: label is [0, 1, 0]; accepted: a class'),
    ({'a.png': {'label': {'x': 1}}}, 'a.png: label is {"x": 1}; accepted: a class'),
    ({'labels': None}, 'its labels are null; leave --labels out'),
    ({'labels': 7}, 'accepted: {"labels": [[name, class], ...]}'),
    ({'labels': [['a.png', 1, 2]]}, 'entry 0 of `labels` is not [name, class]'),
    ({'labels': [['a.png', 1], [5, 1]]}, 'entry 1 of `labels` is not [name, class]'),
    ([{'file': 'a.png'}, {'age': 5}], 'entry 1 names no image; accepted: '),
    ([['a.png', 5]], 'entry 0 names no image; accepted: '),
    (5, 'accepted: {"labels": [[name, class], ...]}'),
    ([], 'has no rows'),
    ({}, 'has no rows'),
  ],
)
def test_json_that_holds_no_classes_is_refused(refusal_of, data, reason):
  assert reason in refusal_of(json.dumps(data), '.json')


@pytest.mark.parametrize(
  'text',
  [
    '', '{', '{"a.png": 1', 'a.png,5', '[' * 100_000, '{"a":' * 100_000, '{"a.png": 1, "a.png": 2}',
    '{"a.png": "\\ud800"}', '{"\\udcff.png": 1}', '{"a.png": ' + '9' * 5000 + '}',
  ],
)  # fmt: skip
def test_what_is_no_json_is_refused(refusal_of, text):
  assert 'labels.json: not JSON: ' in refusal_of(text, '.json')


@pytest.mark.parametrize(
  ('text', 'reason'),
  [
    ('', 'no column names the image; found: no header; accepted: file, '),
    ('file,label\n', 'has no rows'),
    ('picture,label\na.png,5\n', 'no column names the image; found: picture, label; accepted: '),
    ('file,label\na.png,5\nb.png\n', 'line 3 has 1 values, and the header 2'),
    ('file,label\na.png,5,6\n', 'line 2 has 3 values, and the header 2'),
    ('file,label\n"a\nb.png",5\n"c.png"\n', 'line 4 has 1 values'),
    ('file,age,age\na.png,5,6\n', 'two columns of one name: file, age, age'),
    ('file,label\n"a.png,5\n', 'line 2: unexpected end of data'),
    ('file,"label\na.png,5\n', 'line 2: unexpected end of data'),
    ('file,label\n"a"b.png,5\n', "line 2: ',' expected after '\"'"),
    ('file,label\na.png,' + 'x' * 200_000, 'line 2: field larger than field limit'),
    (b'\xff\xfef\0i\0l\0e\0', "cannot be read: 'utf-8' codec can't decode"),
  ],
)
def test_tables_that_cannot_be_read_say_the_line(refusal_of, text, reason):
  assert reason in refusal_of(text)


def test_a_label_file_that_is_none_is_refused_in_one_line(tmp_path):
  for path in (tmp_path, tmp_path / 'none.csv'):
    with pytest.raises(UserError, match=r'^--labels=\S+: cannot be read: .+$'):
      labels.read_table(str(path), '', NAMES)


def test_a_label_file_may_come_out_of_an_archive():
  table = labels.read_table('in/labels.csv', '', NAMES, lambda: TABLE.encode())
  assert table.rows == ROWS

  def broken():
    raise OSError('Bad CRC-32')

  with pytest.raises(UserError, match=r'--labels=in/x.csv: cannot be read: Bad CRC-32'):
    labels.read_table('in/x.csv', '', NAMES, broken)


@pytest.mark.parametrize(
  ('columns', 'asked', 'found'),
  [
    ('age,label,site', '', 'label'),
    ('age,Class,site', '', 'Class'),
    ('age,category', '', 'category'),
    ('breed', '', 'breed'),
    ('age,breed', '', ''),
    ('age,breed', 'breed', 'breed'),
    ('age,label', 'age', 'age'),
    ('', '', ''),
  ],
)
def test_the_class_is_a_column_of_that_name_or_the_only_one(table_of, columns, asked, found):
  header = ','.join(filter(None, ['file', columns]))
  row = ','.join(['a/1.png'] + ['7'] * header.count(','))
  assert table_of(f'{header}\n{row}\n', '.csv', asked).label == found


def test_a_column_that_is_not_there_offers_the_nearest(refusal_of):
  assert '--label=agee: no such column in' in (found := refusal_of(TABLE, '.csv', 'agee'))
  assert "did you mean 'age'" in found


def test_a_file_without_a_row_or_with_two_that_differ_is_refused(table_of):
  table = table_of(TABLE + 'b/3.png,cat,1,x\nb/3.png,dog,1,x\na/1.png,cat,3,x\n')
  assert table.row('a/1.png', 'a/1.png') == ROWS['a/1.png']  # twice the same is one
  with pytest.raises(RefusedError, match=r'^has several rows in labels.csv that differ$'):
    table.row('b/3.png', 'b/3.png')
  with pytest.raises(RefusedError, match=r'^has no row in labels.csv$'):
    table.row('b/4.png', 'b/4.png')
  table = table_of('{"labels": [["a/1.png", 1], ["a/1.png", 2]]}', '.json')
  assert table.repeated == {'a/1.png'}


def test_a_short_name_that_two_files_have_names_none(table_of):
  table = table_of('file,label\n2.png,cat\n3.png,dog\n')
  assert table.row('b/3.png', 'b/3.png') == {'label': 'dog'}
  with pytest.raises(RefusedError, match='has no row'):
    table.row('a/2.png', 'a/2.png')


def test_a_part_of_a_file_has_its_own_row_or_that_of_the_file(table_of):
  names = ['a#b.dcm', 'v.nii']
  table = table_of('file,label\na#b.dcm,1\nv.nii#s0003,2\nv.nii,3\n', '.csv', '', names)
  label_of = lambda name, file: table.row(name, file)['label']
  assert label_of('a#b.dcm#0001', 'a#b.dcm') == '1'
  assert label_of('v.nii#s0003', 'v.nii') == '2'
  assert label_of('v.nii#s0004', 'v.nii') == '3'


def test_names_are_the_same_composed_or_not(table_of):
  nfc, nfd = (unicodedata.normalize(form, 'Åé.png') for form in ('NFC', 'NFD'))
  table = table_of(f'file,label\n{nfd},1\n', '.csv', '', [nfc])
  assert table.row(nfc, nfc) == {'label': '1'}


def test_names_that_are_not_utf_8_can_be_written_as_they_are_shown(table_of):
  table = table_of('file,label\n\\xff.png,1\n', '.csv', '', ['\\xff.png'])
  assert table.row('\\xff.png', '\\xff.png') == {'label': '1'}


def test_the_class_of_a_file_is_its_folder():
  assert labels.folder_label('cat/1.png') == 'cat'
  assert labels.folder_label('big/cat/1.png') == 'big/cat'
  with pytest.raises(RefusedError, match='lies in no folder'):
    labels.folder_label('1.png')


def test_groups_are_of_a_column_a_pattern_or_the_image_itself(table_of):
  table = table_of(TABLE)
  group = lambda group, name='a/1.png', own='P7', table=table: labels.group_of(group, table)(
    name, ROWS.get(name, {}), own
  )
  assert group('') == 'P7'
  assert group('site') == 'x'
  assert group(r'(\w+)/\d') == 'a'
  assert group(r'^\w+/\d') == 'a/1'
  assert group('site', name='a/site.png', table=None) == 'site'  # no column where there is no table
  for pattern, name, reason in [
    (r'patient\d', 'a/1.png', r'its name does not match --group=patient\\d'),
    (r'(x?)', 'a/1.png', 'finds nothing in its name'),
    (r'(x)|a', 'a/1.png', 'finds nothing in its name'),
    ('age', 'a/2.png', 'has no age in labels.csv'),
    ('age', 'b/3.png', 'has no age in labels.csv'),
  ]:
    with pytest.raises(RefusedError, match=reason):
      group(pattern, name)


def test_a_group_that_is_neither_column_nor_pattern_is_refused(table_of):
  with pytest.raises(UserError, match=r'--group=\(: neither .* columns: label, age, site$'):
    labels.group_of('(', table_of(TABLE))
  with pytest.raises(UserError, match=r'columns: none$'):
    labels.group_of('(', None)


@pytest.mark.parametrize(
  'order',
  [
    ['0', '1', '2', '10', '100'],
    ['-2', '-1', '0', '+1', '1.5', '10.0'],
    ['01', '1', '02', '2'],
    ['a10', 'a2', 'b'],
    ['1', '10', '2', 'x'],
    [str(10**400), '2'],  # too large to be a number
  ],
)
def test_classes_are_in_the_order_of_their_values_or_the_alphabet(order):
  assert labels.class_names(order[::-1] * 2) == order
  assert labels.class_names(sorted(order)) == order


def test_a_label_file_has_no_more_than_256_mib(tmp_path):
  path = tmp_path / 'l.csv'
  path.touch()
  os.truncate(path, 2**28 + 1)  # sparse
  with pytest.raises(UserError, match=r'268,435,457 bytes; accepted: at most 268,435,456$'):
    labels.read_table(str(path), '', NAMES)


@pytest.mark.parametrize('where', ['file', 'folder', 'zip', 'tar'])
def test_a_label_file_larger_than_the_bound_is_refused_unread(tmp_path, monkeypatch, where):
  monkeypatch.setattr(files, 'MAX_TABLE_BYTES', 10)
  (tmp_path / 'a').mkdir()
  path = tmp_path / 'a' / 'l.csv'
  path.write_text(TABLE)
  if where in ('zip', 'tar'):
    shutil.make_archive(str(tmp_path / 'packed'), where, tmp_path / 'a')
  source = tmp_path / ('a' if where == 'folder' else f'packed.{where}')
  read = None if where == 'file' else sources.open_source(str(source), '', None).beside['l.csv']
  monkeypatch.setattr(label_files, 'read', None)
  with pytest.raises(UserError, match=r'cannot be read: \d+ bytes; accepted: at most 10$'):
    labels.read_table(str(path), '', NAMES, read)
