"""Flags that take paths."""

import os

import pytest
from absl import flags

from gan_jax.commands import common


def parsed(define, *arguments):
  values = flags.FlagValues()
  before = common.FLAGS, flags.FLAGS
  define(values)
  assert before == (common.FLAGS, flags.FLAGS)
  values(['launch.py', *arguments])
  return values


def path_flag(values):
  flags.DEFINE(common._PathParser(), 'out', None, 'help', flag_values=values)


def paths_flag(values):
  flags.DEFINE(common._PathsParser(), 'workdir', None, 'help', flag_values=values)


@pytest.mark.parametrize('given', ['~/x', '~/a b/[c]', '~'])
def test_a_tilde_is_the_home_folder(given, monkeypatch):
  monkeypatch.setenv('HOME', '/home/of/mine')
  assert parsed(path_flag, f'--out={given}').out == given.replace('~', '/home/of/mine', 1)


@pytest.mark.parametrize('given', ['a~b', './~', '/x/~y', ''])
def test_another_tilde_is_none(given):
  assert parsed(path_flag, f'--out={given}').out == given


def test_several_paths_have_commas_between_and_one_that_is_there_may_have_some(tmp_path):
  assert parsed(paths_flag, '--workdir=a,b').workdir == ['a', 'b']
  odd = tmp_path / 'lr=1,beta=0'
  odd.mkdir()
  assert parsed(paths_flag, f'--workdir={odd}').workdir == [str(odd)]
  assert parsed(paths_flag, '--workdir=~/a,~/b').workdir == [
    os.path.expanduser('~/a'),
    os.path.expanduser('~/b'),
  ]
