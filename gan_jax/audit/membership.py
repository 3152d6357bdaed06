"""What a run's discriminator says of the images that it was trained on, and of held-out ones."""

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import build
from gan_jax.audit.subject import Subject
from gan_jax.ops import pixels
from gan_jax.runtime import parallel
from gan_jax.runtime.tree import PyTree
from gan_jax.training.player import apply

_BATCH = 64


def logits(subject: Subject) -> tuple[np.ndarray, np.ndarray]:
  """Logits of the training images `[M]` and the held-out ones `[n]`, the mean of several heads.

  Both are judged in batches mixed at random: a discriminator may normalise by its batch.

  Raises:
    UserError: for a checkpoint that holds no discriminator.
  """
  assert subject.run is not None  # asked of runs alone
  module, params, mutable = build.open_discriminator(subject.workdir, subject.run)
  present = getattr(module, 'present', lambda images: images)

  def judge(variables: PyTree, images: jax.Array, labels: jax.Array) -> jax.Array:
    seen = present(pixels.to_model(images))
    found, _ = apply(module, *variables, seen, labels)
    found = found['logits'] if isinstance(found, dict) else found
    return jnp.reshape(found, (len(labels), -1)).mean(axis=1)

  own, held = len(subject.train_rows), len(subject.holdout_rows)
  order = np.random.default_rng(subject.seed).permutation(own + held)
  found = np.empty(own + held)
  run = parallel.map_batches(judge, min(_BATCH, own + held))
  variables = parallel.replicate((params, mutable))
  done = 0
  step = 16 * _BATCH
  for start in range(0, len(order), step):
    rows = order[start : start + step]
    images, labels = _fetched(subject, rows, own)
    for part in run(variables, images, labels):
      found[order[done : done + len(part)]] = part
      done += len(part)
    subject.watch('discriminator', done, len(order))
  return found[:own], found[own:]


def _fetched(subject: Subject, rows: np.ndarray, own: int) -> tuple[np.ndarray, np.ndarray]:
  """Images and labels of rows of both sets, training images first."""
  images = np.empty((len(rows), *subject.train.shape), subject.train.dtype)
  labels = np.empty(len(rows), np.int32)
  for dataset, chosen, mask, before in (
    (subject.train, subject.train_rows, rows < own, 0),
    (subject.holdout, subject.holdout_rows, rows >= own, own),
  ):
    found = dataset.fetch(chosen[rows[mask] - before])
    images[mask], labels[mask] = found['image'], found['label']
  return images, labels
