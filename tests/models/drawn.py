"""Weights and inputs that are drawn by name, so that fixtures need to hold none of them.

A script of `fixtures/` gives the same ones to an original's own code, and writes down what comes
out: results, and of each gradient its length and its product with a drawn direction.
"""

import math
import zlib

import numpy as np


def draw(name, shape):
  """N(0, 1), the same for a name wherever it is drawn."""
  rng = np.random.default_rng(zlib.crc32(name.encode()))
  return rng.standard_normal(shape).astype(np.float32)


def weights(name, shape):
  """A parameter or a vector of spectral normalisation, by the path that it has in our networks."""
  kind = name.rsplit('/', 1)[-1]
  value = draw(name, shape)
  if '_spectral/' in name:
    return value / np.linalg.norm(value)
  if kind == 'kernel':
    return value / np.float32(math.sqrt(np.prod(shape[:-1])))
  if kind == 'scale':
    return 1 + value / 10
  return value if kind in ('embedding', 'constant') else value / 10


def told(name, gradient):
  """Length of a gradient, and its product with a drawn direction of length 1."""
  direction = draw(f'{name}#direction', gradient.shape).astype(np.float64)
  gradient = np.asarray(gradient, np.float64)
  return np.array(
    [np.linalg.norm(gradient), np.vdot(gradient, direction / np.linalg.norm(direction))]
  )
