"""Every flag that has no part in what another one asks for is refused by its name."""

import pytest

from tests.command_line import call, one_line

IMAGES = '--images=/nowhere', '--reference=/nowhere', '--out=/nowhere'
WALK = {'seeds': '1', 'latents': 'x.npz', 'frames': '3', 'fps': '3', 'loop': 'true'}
CASES = [
  (('audit', *IMAGES), 'images', {'step': '1', 'data_dir': '/nowhere', 'metrics': 'true'}),
  (
    ('audit', '--workdir=/nowhere'),
    'workdir',
    {'reference': 'x', 'held_out': 'x', 'labels': 'folders', 'follow_links': 'true'},
  ),
  (
    ('edit', '--workdir=/nowhere', '--out=/nowhere', '--directions=/nowhere'),
    'directions',
    {'by': 'weights', 'count': '3'},
  ),
  (
    ('edit', '--workdir=/nowhere', '--out=/nowhere', '--latents=/nowhere'),
    'latents',
    {'classes': '1'},
  ),
  (
    ('evaluate', *IMAGES),
    'images',
    {'step': '1', 'all': 'true', 'repeats': '3', 'data_dir': '/nowhere'},
  ),
  (
    ('evaluate', '--workdir=/nowhere', '--reference=/nowhere'),
    'reference',
    {'all': 'true', 'data_dir': '/nowhere'},
  ),
  (
    ('evaluate', '--workdir=/nowhere'),
    'workdir',
    {'held_out': 'x', 'labels': 'folders', 'follow_links': 'true'},
  ),
  (('evaluate', '--workdir=/nowhere', '--all'), 'all', {'step': '1'}),
  (
    ('forecast', '--table=configs/digits.py', '--channels=1'),
    'table',
    {'config': 'configs/digits.py', 'batch_sizes': '8'},
  ),
  (
    ('inspect', '--source=/nowhere'),
    'source',
    {'config': 'configs/digits.py', 'dataset': 'x', 'data_dir': 'x', 'splits': 'train'},
  ),
  (
    ('inspect', '--dataset=digits'),
    'dataset',
    {'config': 'configs/digits.py', 'follow_links': 'true'},
  ),
  (
    ('inspect', '--config=configs/digits.py'),
    'config',
    {'data_dir': '/nowhere', 'follow_links': 'true'},
  ),
  (
    ('interpolate', '--workdir=/nowhere', '--out=x.png', '--style_mixing'),
    'style_mixing',
    WALK | {'easing': 'sine', 'grid': '2', 'space': 'w'},
  ),
]


@pytest.mark.parametrize(
  ('words', 'flag', 'other', 'value'),
  [(words, flag, *each) for words, flag, others in CASES for each in others.items()],
)
def test_a_flag_beside_another_that_leaves_it_no_part_is_refused(words, flag, other, value):
  said = call(*words, f'--{other}={value}')
  assert said.code == 2
  assert f'--{other}: has no part in --{flag}; leave one of them out' in one_line(said.err)
