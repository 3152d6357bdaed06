import csv
import io
import xml.etree.ElementTree as ET

import pytest

from gan_jax import report
from gan_jax.ablation import export, results
from gan_jax.errors import UserError

HOSTILE = '=a<script>alert(1)</script>&_|$%\\'


@pytest.fixture
def found(written):
  root, made = written({HOSTILE: [[3], [4]], 'b_1': [[1], []]})
  return results.read(root, made.name, root.sweeps()[made.name])


def test_csv_holds_every_digit_and_no_formula(found):
  text = export.as_csv(found)
  assert text.endswith('\n')
  assert '\r' not in text  # lines end as those of the other forms of the table do
  rows = list(csv.DictReader(io.StringIO(text)))
  assert rows[0]['variant'] == "'" + HOSTILE
  assert (rows[0]['seed_0'], rows[0]['seed_1']) == ('3', '4')
  assert float(rows[0]['mean_low']) < 3.5 < float(rows[0]['mean_high'])
  assert (rows[1]['diverged'], rows[1]['mean'], rows[1]['seed_1']) == ('1', '', 'inf')
  assert rows[1]['pairs'] == '2'


def test_a_negative_number_stays_a_number(written):
  root, made = written({'a': [[3], [4]], 'b': [[1], [2]]})
  text = export.as_csv(results.read(root, made.name, root.sweeps()[made.name]))
  assert list(csv.DictReader(io.StringIO(text)))[1]['difference'] == '-2.0'


def test_markdown_keeps_its_columns(found):
  head, rule, *rows = export.as_markdown(found).splitlines()[:4]
  cells = lambda line: line.replace('\\\\', '').replace('\\|', '').count('|')
  assert {cells(line) for line in (head, rule, *rows)} == {cells(head)}


def test_latex_escapes_what_it_would_run(found):
  text = export.as_latex(found)
  assert r'=a<script>alert(1)</script>\&\_|\$\%\textbackslash{}' in text
  assert r'b\_1' in text
  assert text.count(r'\\') == 3


def test_svg_is_whole_and_the_same_for_the_same_results(written, tmp_path):
  root, _ = written({'_a<b>': [[5, 3], [6, 4]], 'b$x$': [[4, 1], []]})
  for name in ('one.svg', 'two.svg'):
    report.of_sweep(root.path, '', str(tmp_path / name))
  text = (tmp_path / 'one.svg').read_text()
  ET.fromstring(text)
  assert 'a&lt;b&gt;' in text
  assert text == (tmp_path / 'two.svg').read_text()


@pytest.mark.parametrize(
  ('root', 'sweep', 'out', 'message'),
  [
    ('.', '', 'report.pdf', r'ends in \.html, \.csv, \.md, \.tex, \.svg'),
    ('.', '', 'no/such/report.html', 'a folder that is there'),
    ('.', 'tinny', 'report.csv', "did you mean 'tiny'"),
  ],
)
def test_what_cannot_be_reported_is_refused(written, tmp_path, root, sweep, out, message):
  place, _ = written({'a': [[1]]})
  with pytest.raises(UserError, match=message):
    report.of_sweep(place.path, sweep, str(tmp_path / out))


def test_of_several_sweeps_one_has_to_be_named(written):
  place, made = written({'a': [[1]]})
  place.keep_sweep('other', made.as_json())
  with pytest.raises(UserError, match='several sweeps; name one by --sweep: other, tiny'):
    report.read(place.path)
  assert report.read(place.path, 'other').name == 'other'
