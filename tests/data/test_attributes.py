import numpy as np
from PIL import Image

from gan_jax.data import attributes, by_name, source
from gan_jax.data.ingest import options, prepare


def test_columns_beside_the_class_come_back_by_row(tmp_path):
  lines = ['file,label,age,hair']
  (tmp_path / 'own').mkdir()
  for number in range(12):
    Image.new('L', (8, 8), number).save(tmp_path / 'own' / f'{number}.png')
    lines.append(f'{number}.png,{number % 2},{number if number else ""},{"red" * (number % 3 > 0)}')
  (tmp_path / 'labels.csv').write_text('\n'.join(lines))
  asked = options.Options(
    *(str(tmp_path / 'own'), 'own_ages', str(tmp_path / 'data')),
    labels=str(tmp_path / 'labels.csv'),
    split={'train': 1.0},
  )
  prepare.prepare(asked, by_name.open_builder)
  builder = by_name.open_builder('own_ages', str(tmp_path / 'data'))
  numbers = source.ImageDataset(builder, 'train', (8, 8), 64).fetch(range(12))['image'][:, 0, 0, 0]
  found = attributes.read(builder, 'train')
  assert set(found) == {'age', 'hair'}
  np.testing.assert_array_equal(found['age'], [n if n else np.nan for n in numbers])
  assert found['hair'].tolist() == ['red' if n % 3 else '' for n in numbers]
  np.testing.assert_array_equal(
    attributes.read(builder, 'train', [5, 2])['age'], found['age'][[5, 2]]
  )
