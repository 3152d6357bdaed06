"""Tables, against pandas and json."""

import contextlib
import io
import json
import pathlib
import tempfile

import pandas as pd

from tests.data.ingest.mutations.changing import ALONE, READ, require

NAMES = [f'{i}.png' for i in range(6)]


def some_csv(rng):
  rows = [f'{name},{"ab"[i % 2]},"s {i}, {rng.integers(9)}"' for i, name in enumerate(NAMES)]
  return '\n'.join(['file,label,site', *rows, '']).encode()


def try_csv(data, name):
  table = of_table(data, name)
  separator = max(',;\t', key=data.decode('utf-8-sig').split('\n', 1)[0].count)
  compared = 0
  with contextlib.suppress(pd.errors.ParserError, pd.errors.EmptyDataError, ValueError):
    frame = pd.read_csv(
      io.BytesIO(data), sep=separator, dtype=str, keep_default_na=False, encoding='utf-8-sig'
    )
    names = [column.strip() for column in frame.columns]
    key = next(i for i, n in enumerate(names) if n.lower() in ('file', 'filename', 'name', 'image'))
    expected = {}
    for row in frame.itertuples(index=False):
      expected[str(row[key]).strip()] = {as_unix(str(cell)).strip() for cell in row}
    for row_name, row in table.rows.items():
      if row_name in table.repeated or row_name not in expected:
        continue  # of a name that pandas has escaped or read otherwise
      compared += 1
      values = {value for value in row.values() if value}  # whose ends of lines are those of Unix
      require(values <= expected[row_name], f'{row_name}: {values} and not {expected[row_name]}')
  return READ if compared else ALONE


def as_unix(text):
  return text.replace('\r\n', '\n').replace('\r', '\n')


def some_json(rng):
  form = rng.integers(3)
  pairs = [[name, int(rng.integers(3))] for name in NAMES]
  rows = [{'file': name, 'label': 'ab'[value % 2], 'age': value} for name, value in pairs]
  return json.dumps([{'labels': pairs}, dict(pairs), rows][form]).encode()


def try_json(data, name):
  table = of_table(data, name)
  text = json.dumps(json.loads(data.decode('utf-8-sig')))
  for row_name, row in table.rows.items():  # a name may be the short one of an image
    for value in (row_name.removesuffix('.png'), *row.values()):
      require(json.dumps(value)[1:-1] in text or value in ('', '0', '1'), f'{value!r} is not there')
  return READ


def of_table(data, name):
  from gan_jax.data.ingest import labels

  path = pathlib.Path(tempfile.mkdtemp(), name)
  path.write_bytes(data)
  return labels.read_table(str(path), '', NAMES)
