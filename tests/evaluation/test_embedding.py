"""Streaming over eight simulated devices; over hosts, in processes of their own."""

import os
import pathlib
import socket
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.data.source import RandomImages
from gan_jax.evaluation import embedding, subject
from gan_jax.features.network import FeatureNetwork
from gan_jax.runtime import parallel

ROOT = pathlib.Path(__file__).parents[2]


def network(with_logits=True):
  """Features: mean and scaled first pixel of each image."""

  def apply(params, images):
    x = images.astype(jnp.float32) * params['scale']
    features = jnp.stack([x.mean((1, 2, 3)), x[:, 0, 0, 0]], 1)
    return features, -features if with_logits else None

  return FeatureNetwork('mean', {'scale': np.float32(2)}, apply, {})


@pytest.fixture(scope='module')
def images():
  return RandomImages('train', (4, 6), 37)


def expected(pixels):
  x = 2 * pixels.astype(np.float64)
  return np.stack([x.mean((1, 2, 3)), x[:, 0, 0, 0]], 1)


def test_features_of_a_subject_are_those_of_its_rows_in_order(images):
  rows = np.random.default_rng(0).permutation(37)[:29]
  one = subject.of_dataset('reals', images, rows)
  seen = []
  watch = lambda what, done, total: seen.append((what, done, total))
  embedders = [embedding.Embedder(network(), 16), embedding.Embedder(network(False), 8)]
  found = embedding.embed(one, 0, embedders, watch, keep_images=True)
  pixels = images.fetch(rows)['image']
  for features in found.features:
    np.testing.assert_allclose(features.pooled, expected(pixels), rtol=1e-5)
  np.testing.assert_allclose(found.features[0].logits, -found.features[0].pooled)
  assert found.features[1].logits is None
  np.testing.assert_array_equal(found.images, pixels)
  assert not found.constant
  assert seen == [('reals', 0, 29), ('reals', 29, 29)]


def test_of_large_images_fewer_make_a_batch(monkeypatch):
  monkeypatch.setattr(parallel, '_IMAGE_BYTES', 2 * 4 * (4 * 6 * 3))  # two of them as floats
  devices = jax.local_device_count()
  embedder = embedding.Embedder(network(), 4 * devices)
  assert embedder.at_once(np.zeros((9, 4, 6, 3), np.uint8)) == 2 * devices
  assert embedder.at_once(np.zeros((9, 4, 6, 1), np.uint8)) == 4 * devices


def test_images_are_not_kept_unasked(images):
  one = subject.of_dataset('reals', images, np.arange(9))
  found = embedding.embed(one, 0, [embedding.Embedder(network(), 8)], lambda *_: None, False)
  assert found.images is None


def test_images_that_are_all_the_same_are_noticed(images):
  watch = lambda *_: None
  embedder = embedding.Embedder(network(), 8)
  same = subject.of_dataset('same', images, np.zeros(20, int))
  assert embedding.embed(same, 0, [embedder], watch, False).constant
  alone = subject.of_dataset('alone', images, np.zeros(1, int))
  assert not embedding.embed(alone, 0, [embedder], watch, False).constant


def test_pairs_are_of_floats_and_keep_their_order():
  rng = np.random.default_rng(1)
  first, second = rng.uniform(0, 255, (2, 20, 4, 6, 3)).astype(np.float32)

  def pairs(seed, start, end):
    for place in range(start, end, 7):
      yield first[place : min(place + 7, end)], second[place : min(place + 7, end)]

  one = subject.Subject('g', 20, None, lambda *_: iter(()), pairs)
  found = embedding.embed_pairs(one, 0, embedding.Embedder(network(), 8), lambda *_: None)
  for ends, pixels in zip(found, (first, second), strict=True):
    np.testing.assert_allclose(ends, expected(pixels), rtol=1e-5)


_HOST = """
import sys
import jax
import numpy as np
port, host = sys.argv[1:]
jax.distributed.initialize(f'localhost:{port}', 2, int(host))
from gan_jax.data.source import RandomImages
from gan_jax.evaluation import embedding, subject
from tests.evaluation.test_embedding import expected, network
images = RandomImages('train', (4, 6), 37)
drawn = []
one = subject.of_dataset('reals', images, np.arange(21))
counted = lambda seed, first, end: (drawn.append(end - first), one.batches(seed, first, end))[1]
found = embedding.embed(
  one._replace(batches=counted), 0, [embedding.Embedder(network(), 4)], lambda *_: None, True
)
pixels = images.fetch(np.arange(21))['image']
np.testing.assert_allclose(found.features[0].pooled, expected(pixels), rtol=1e-5)
np.testing.assert_array_equal(found.images, pixels)
print('drew', drawn)
"""


@pytest.mark.slow
def test_two_hosts_draw_a_part_each_and_both_receive_the_whole():
  with socket.socket() as free:
    free.bind(('localhost', 0))
    port = free.getsockname()[1]
  environment = {**os.environ, 'JAX_NUM_CPU_DEVICES': '2', 'PYTHONPATH': str(ROOT)}
  hosts = [
    subprocess.Popen(
      [sys.executable, '-c', _HOST, str(port), str(host)],
      cwd=ROOT,
      env=environment,
      text=True,
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
    )
    for host in range(2)
  ]
  shown = [host.communicate(timeout=120) for host in hosts]
  assert [host.returncode for host in hosts] == [0, 0], shown
  assert [out.strip().splitlines()[-1] for out, _ in shown] == ['drew [10]', 'drew [11]']


@pytest.mark.parametrize('drawn', [5, 16, 23, 100])
def test_a_network_runs_as_few_batches_as_it_can_however_images_come(images, drawn, monkeypatch):
  rows, batches = np.arange(100) % 37, []
  pixels = images.fetch(rows)['image']
  parts = lambda seed, first, end: (pixels[at : at + drawn] for at in range(first, end, drawn))
  counted = parallel.map_batches

  def map_batches(function, size):
    run = counted(function, size)

    def run_and_count(*arguments):
      for found in run(*arguments):
        batches.append(size)
        yield found

    return run_and_count

  monkeypatch.setattr(parallel, 'map_batches', map_batches)
  one = subject.Subject('drawn', 100, None, parts)
  found = embedding.embed(one, 0, [embedding.Embedder(network(), 16)], lambda *_: None, False)
  np.testing.assert_allclose(found.features[0].pooled, expected(pixels), rtol=1e-5)
  assert batches == [16] * 7
