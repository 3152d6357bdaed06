import numpy as np
import pytest
from PIL import Image

from gan_jax.data.datasets import characters
from tests.data.datasets import trees

UNITS = (
  'packages/wesnoth-1.18-data/usr/share/games/wesnoth/1.18/data/core/images/units'  # later release
)
SPRITE = (72, 72, 4)
KEPT = [
  'elves-wood/archer',
  'elves-wood/archer-attack-1',
  'elves-wood/archer+female',
  'elves-wood/archer+female-bow',
  'elves-wood/high-lord',
  'elves-wood/high-lord-attack',
  'elves-wood/highwayman',
  'elves-wood/rider/rider',
  'elves-wood/rider/rider_glow1',
  'elves-wood/rider-attack',
  'elves-wood/bat-ne-1',
  'elves-wood/bat-ne-2',
  'elves-wood/bat-se-1',
  'undead/deathknight',
  'undead/deathknight-attack',
  'undead/halberdier-idle-1',
  'undead/soldier',
  'undead/zombie',
  'undead/soulless',
  'undead/soulless-rat',
  *(f'drakes/unit{letter}-{pose}' for letter in 'abcdefghijkl' for pose in (1, 2)),
]
LEFT_OUT = [
  'elves-wood/archer-die-1',
  'elves-wood/archer-death2',
  'elves-wood/archer-dying3',
  'elves-wood/archer-missile',
  'elves-wood/ice-halo-1',
  'elves-wood/sea-mask',
  'transport/galleon',  # of no faction
]


def sprite(seed):
  pixels = np.zeros(SPRITE, np.uint8)
  pixels[10:40, 20:50] = trees.noise(seed, (30, 30, 4)) | [0, 0, 0, 128]  # 17% of it is seen
  return pixels


@pytest.fixture
def tree(tmp_path):
  for seed, name in enumerate([*KEPT, *LEFT_OUT]):
    trees.write(tmp_path / UNITS / f'{name}.png', sprite(seed))
  empty, small = np.zeros(SPRITE, np.uint8), sprite(0)[:60]
  empty[:14, :14] = 255  # 196 of 5,184 pixels: 3.8%
  trees.write(tmp_path / UNITS / 'elves-wood/archer-gone.png', empty)
  trees.write(tmp_path / UNITS / 'elves-wood/archer-small.png', small)
  return tmp_path


@pytest.fixture
def prepared(tree):
  return trees.prepare('characters', tree)


def test_sprites_are_kept_but_those_of_dying_units_of_other_sizes_and_nearly_empty(prepared):
  examples, builder = prepared
  assert sorted(examples) == sorted(KEPT)
  trees.assert_whole(examples, builder, SPRITE, np.uint8)
  names = builder.info.features['label'].names
  assert len(names) == 20
  assert all(names[e['label']] == name.split('/')[0] for name, e in examples.items())


def test_pixels_are_those_of_the_files_also_of_one_with_a_palette(tree):
  path = tree / UNITS / 'drakes' / 'unita-1.png'
  opaque = Image.fromarray(sprite(0)[..., :3]).quantize(16)
  opaque.save(path)
  examples, _ = trees.prepare('characters', tree)
  for seed, name in enumerate(KEPT):
    if name != 'drakes/unita-1':
      np.testing.assert_array_equal(examples[name]['image'], sprite(seed))
  read = examples['drakes/unita-1']['image']
  np.testing.assert_array_equal(read[..., :3], np.asarray(opaque.convert('RGB')))
  assert read[..., 3].min() == 255


@pytest.mark.parametrize(
  ('unit', 'sprites'),
  [
    ('elves-wood/archer', {'archer', 'archer-attack-1', 'archer+female', 'archer+female-bow'}),
    ('elves-wood/high-lord', {'high-lord', 'high-lord-attack'}),  # highwayman is another
    ('elves-wood/rider', {'rider/rider', 'rider/rider_glow1', 'rider-attack'}),
    ('elves-wood/bat', {'bat-ne-1', 'bat-ne-2', 'bat-se-1'}),  # there is no bat
    ('undead/zombie', {'zombie', 'soulless', 'soulless-rat'}),  # redrawn from it
  ],
)
def test_all_poses_of_a_unit_are_one_group(prepared, unit, sprites):
  examples, _ = prepared
  found = {name for name, example in examples.items() if example['group'] == unit}
  assert found == {f'{unit.split("/")[0]}/{sprite}' for sprite in sprites}


def test_every_faction_of_two_units_or_more_is_on_both_sides(prepared):
  examples, _ = prepared
  sides = {}
  for name, example in examples.items():
    sides.setdefault(name.split('/')[0], []).append(example['split'])
  assert {faction: set(found) for faction, found in sides.items()} == {
    faction: {'train', 'test'} for faction in ('drakes', 'elves-wood', 'undead')
  }
  assert sides['drakes'].count('test') == 2  # of twelve units of two poses each


def test_units_that_look_alike_are_named_by_a_unit_that_is_not_renamed_itself():
  assert not set(characters._LOOKS_LIKE) & set(characters._LOOKS_LIKE.values())
