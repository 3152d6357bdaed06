"""Answers of other packages, and how often an interval holds the truth."""

import json
import pathlib
import runpy

import numpy as np
import pytest

_FIXTURES = pathlib.Path(__file__).parent / 'fixtures'


@pytest.fixture(scope='session')
def oracles():
  """What `fixtures/make_oracles.py` found, and its inputs."""
  inputs = runpy.run_path(str(_FIXTURES / 'oracle_inputs.py'))
  answers = json.loads((_FIXTURES / 'oracles.json').read_text())
  cases = {name: (inputs['sets'](*case), answers[name]) for name, case in inputs['CASES'].items()}
  return {'cases': cases, 'answers': answers, **inputs}


@pytest.fixture
def coverage():
  """Share of 500 draws whose interval holds the truth (the mean of all where None is given)."""

  def measure(draw, truth=None, count=500):
    rng = np.random.default_rng(0)
    found = np.array([draw(rng) for _ in range(count)])
    truth = found[:, 0].mean() if truth is None else truth
    return np.mean((found[:, 1] <= truth) & (truth <= found[:, 2]))

  return measure
