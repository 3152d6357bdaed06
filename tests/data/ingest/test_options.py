import re

import pytest

from gan_jax.data.ingest import options
from gan_jax.data.ingest.decode import Medical
from gan_jax.errors import UserError


def refusal(read, *arguments):
  """The message, of one line."""
  with pytest.raises(UserError) as refused:
    read(*arguments)
  assert '\n' not in str(refused.value)
  return str(refused.value)


@pytest.mark.parametrize(
  ('resolution', 'text', 'expected'),
  [
    (None, '', None),
    (64, '', (64, 64)),
    (1, '', (1, 1)),
    (8192, '', (8192, 8192)),
    (None, '96x64', (64, 96)),  # width first, as people write it
    (None, '1x20000', (20000, 1)),
  ],
)
def test_sizes_are_read_as_height_and_width(resolution, text, expected):
  assert options.size(resolution, text) == expected


@pytest.mark.parametrize('resolution', [0, -5, 8193, 10**9])
def test_resolutions_that_no_image_has_are_refused(resolution):
  assert refusal(options.size, resolution, '').startswith(f'--resolution={resolution}: accepted: ')


@pytest.mark.parametrize(
  'text', ['96', '96x', 'x64', '96x64x3', '0x64', '96x0', '-1x4', '96 x 64', '9.5x4', '99999x99999']
)
def test_sizes_that_no_image_has_are_refused(text):
  assert refusal(options.size, None, text).startswith(f'--size={text}: accepted: WIDTHxHEIGHT')


def test_a_resolution_and_a_size_contradict_each_other():
  assert refusal(options.size, 64, '96x64') == '--resolution=64 and --size=96x64: give one of them'


def test_channels_are_a_kind_and_auto_is_none():
  found = [options.kind(text) for text in ('grey', 'grey16', 'rgb', 'rgba', 'auto')]
  assert found == ['grey', 'grey16', 'rgb', 'rgba', '']
  assert "did you mean 'grey16'" in refusal(options.kind, 'grey15')
  assert refusal(options.kind, '') == '--channels=: accepted: auto, grey, grey16, rgb, rgba'


def test_fits_are_known_by_name():
  assert [options.check_fit(text) for text in ('crop', 'pad', 'stretch')] == [
    'crop',
    'pad',
    'stretch',
  ]
  assert refusal(options.check_fit, 'corp').startswith("--fit=corp: did you mean 'crop'? accepted:")


@pytest.mark.parametrize(
  ('text', 'expected'),
  [
    ('', None),
    ('train:1', {'train': 1}),
    ('train:0.9,test:.1', {'train': 0.9, 'test': 0.1}),
    (' train:0.5 , test_2:0.5', {'train': 0.5, 'test_2': 0.5}),
    ('a:0.1,b:0.2,c:0.7', {'a': 0.1, 'b': 0.2, 'c': 0.7}),  # not 1 in binary
  ],
)
def test_shares_are_read_by_split(text, expected):
  assert options.shares(text) == expected


@pytest.mark.parametrize(
  'text',
  [
    'train', 'train:', ':1', 'train=1', 'train:80%', 'train:-1', 'train:1e0', 'train:0.5;test:0.5',
    'train:0.5,', 'train:0.5,train:0.5', 'Train:1', '1st:1', 'trä:1', 'tr-ain:1', 'all:1',
  ],
)  # fmt: skip
def test_shares_written_otherwise_are_refused(text):
  message = refusal(options.shares, text)
  assert message.startswith(f'--split={text}: ')
  assert 'accepted: NAME:SHARE' in message


@pytest.mark.parametrize(
  ('text', 'total'), [('train:0.8,test:0.1', '0.9'), ('train:80,test:20', '100'), ('a:0,b:1', '1')]
)
def test_shares_are_positive_and_sum_to_1(text, total):
  assert refusal(options.shares, text).endswith(f'sum to 1; they sum to {total}')


@pytest.mark.parametrize(
  ('arguments', 'expected'),
  [
    (('', 'axial', '', ''), Medical()),
    (('40,400', 'axial', '', ''), Medical(window=(40, 400))),
    (('-600.5, 1e3', 'axial', '', ''), Medical(window=(-600.5, 1000))),
    (('', 'sagittal', '', ''), Medical(axis=0)),
    (('', 'coronal', '', ''), Medical(axis=1)),
    (('', 'axial', '20:140', ''), Medical(slices=(20, 140))),
    (('', 'axial', ':140', ''), Medical(slices=(None, 140))),
    (('', 'axial', '20:', ''), Medical(slices=(20, None))),
    (('', 'axial', ':', ''), Medical()),
    (('', 'axial', '', '0,100'), Medical(percentiles=(0, 100))),
  ],
)
def test_medical_options_are_read(arguments, expected):
  assert options.medical(*arguments) == expected


@pytest.mark.parametrize(
  ('flag', 'arguments'),
  [
    ('--window=40', ('40', 'axial', '', '')),
    ('--window=40,400,1', ('40,400,1', 'axial', '', '')),
    ('--window=brain', ('brain', 'axial', '', '')),
    ('--window=40,0', ('40,0', 'axial', '', '')),
    ('--window=40,-1', ('40,-1', 'axial', '', '')),
    ('--window=nan,400', ('nan,400', 'axial', '', '')),
    ('--window=40,nan', ('40,nan', 'axial', '', '')),
    ('--window=40,inf', ('40,inf', 'axial', '', '')),
    ('--axis=axail', ('', 'axail', '', '')),
    ('--slices=20', ('', 'axial', '20', '')),
    ('--slices=-3:', ('', 'axial', '-3:', '')),
    ('--slices=1:9:2', ('', 'axial', '1:9:2', '')),
    ('--slices=9:9', ('', 'axial', '9:9', '')),
    ('--slices=:0', ('', 'axial', ':0', '')),
    ('--percentiles=5', ('', 'axial', '', '5')),
    ('--percentiles=5,5', ('', 'axial', '', '5,5')),
    ('--percentiles=-1,99', ('', 'axial', '', '-1,99')),
    ('--percentiles=1,101', ('', 'axial', '', '1,101')),
    ('--percentiles=nan,99', ('', 'axial', '', 'nan,99')),
  ],
)
def test_medical_options_that_mean_nothing_are_refused(flag, arguments):
  assert refusal(options.medical, *arguments).startswith(f'{flag}: ')


def test_grey_has_nine_to_sixteen_bits():
  read = lambda bits: options.medical('', 'axial', '', '', bits)
  assert [read(bits).bits for bits in (9, 12, 16)] == [9, 12, 16]
  for bits in (-1, 0, 8, 17):
    assert refusal(read, bits) == f'--bits={bits}: accepted: 9 to 16'


def test_an_option_not_given_is_one_that_changes_nothing():
  assert re.fullmatch('crop', options.Options('a', 'b', 'c').fit)
  assert options.Options('a', 'b', 'c').medical == options.medical('', 'axial', '', '')
