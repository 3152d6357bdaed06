import json

import numpy as np
import pytest

from tests.data.datasets import trees

FOLDER = 'packages/emoji-datasource-google-16.0.0/package'
SHAPE = (64, 64, 4)


def entry(unified, category, variants=(), **keys):
  def image(code):
    return {'unified': code, 'image': f'{code.lower()}.png', 'has_img_google': True}

  skins = {'skin_variations': {v: image(f'{unified}-{v}') for v in variants}} if variants else {}
  return image(unified) | {'category': category} | skins | keys


EMOJI = [
  entry('1F44D', 'People & Body', ['1F3FB', '1F3FF']),
  entry('1F468-200D-1F692', 'People & Body', ['1F3FB']),  # a man, a woman, a person: fire fighters
  entry('1F469-200D-1F692', 'People & Body', ['1F3FB']),
  entry('1F9D1-200D-1F692', 'People & Body', ['1F3FB']),
  entry('1F3C3', 'People & Body'),  # running; a woman is, to the right
  entry('1F3C3-200D-2640-FE0F-200D-27A1-FE0F', 'People & Body'),
  entry('2640-FE0F', 'Symbols'),
  entry('2642-FE0F', 'Symbols'),
  entry('1F1F3-1F1F4', 'Flags'),
  entry('1F1F8-1F1EF', 'Flags'),  # the same picture as the one before
  *(entry(f'1F4{i:02d}', 'Animals & Nature') for i in range(20)),
  *(entry(code, 'People & Body') for code in ('1F466', '1F467', '1F9D2')),  # boy, girl, child
]
LEFT_OUT = [
  entry('1F3FB', 'Component'),
  entry('1F600', 'Smileys & Emotion', has_img_google=False),
  entry('1F601', 'Smileys & Emotion'),  # there is no file
]


def pixels(index):
  return trees.noise(8 if index == 9 else index, SHAPE)


@pytest.fixture
def prepared(tmp_path):
  (tmp_path / FOLDER).mkdir(parents=True)
  (tmp_path / FOLDER / 'emoji.json').write_text(json.dumps([*LEFT_OUT, *EMOJI]))
  images = tmp_path / FOLDER / 'img/google/64'
  for index, emoji in enumerate([*EMOJI, *LEFT_OUT[:2]]):
    trees.write(images / emoji['image'], pixels(index))
    for variant in emoji.get('skin_variations', {}).values():
      trees.write(images / variant['image'], pixels(100 + index))
  return trees.prepare('emoji', tmp_path)


def test_each_emoji_and_each_variant_with_a_picture_is_there_with_its_pixels(prepared):
  examples, builder = prepared
  expected = {emoji['image'][:-4]: pixels(index) for index, emoji in enumerate(EMOJI)}
  for index, emoji in enumerate(EMOJI):
    for variant in emoji.get('skin_variations', {}).values():
      expected[variant['image'][:-4]] = pixels(100 + index)
  assert sorted(examples) == sorted(expected)
  for name, image in expected.items():
    np.testing.assert_array_equal(examples[name]['image'], image)
  trees.assert_whole(examples, builder, SHAPE, np.uint8)


def test_labels_are_the_categories(prepared):
  examples, builder = prepared
  names = builder.info.features['label'].names
  assert len(names) == 9
  for emoji in EMOJI:
    assert names[examples[emoji['image'][:-4]]['label']] == emoji['category']


@pytest.mark.parametrize(
  ('rows', 'together'),
  [
    ([0], True),
    ([1, 2, 3], True),
    ([4, 5], True),
    ([30, 31, 32], True),
    ([8, 9], True),
    ([6, 7], False),
    ([0, 1], False),
  ],
)
def test_skins_genders_directions_and_flags_that_are_one_picture_are_one_group(
  prepared, rows, together
):
  examples, _ = prepared
  images = []
  for row in rows:
    images += [EMOJI[row], *EMOJI[row].get('skin_variations', {}).values()]
  groups = {examples[image['image'][:-4]]['group'] for image in images}
  assert (len(groups) == 1) == together


def test_a_tenth_of_a_class_of_single_emoji_is_held_out(prepared):
  examples, builder = prepared
  animals = builder.info.features['label'].str2int('Animals & Nature')
  splits = [e['split'] for e in examples.values() if e['label'] == animals]
  assert (splits.count('train'), splits.count('test')) == (18, 2)
