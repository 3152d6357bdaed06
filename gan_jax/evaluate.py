"""Scores a generator against real images, with the floor that held-out real images reach."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from flax import linen as nn
from ml_collections import ConfigDict

from gan_jax import build, cache, checkpoint, parallel, record, registry
from gan_jax.build import Datasets
from gan_jax.data.source import ImageDataset
from gan_jax.errors import UserError
from gan_jax.features import kept
from gan_jax.features.network import FeatureNetwork, Request
from gan_jax.metrics.features import Features
from gan_jax.sample import Sampler
from gan_jax.state import PyTree

Poll = Callable[[], None]


class Evaluator:
  """Holds the feature networks and the features of the real images, and scores generators."""

  def __init__(
    self, config: ConfigDict, datasets: Datasets, sampler: Sampler, poll: Poll = lambda: None
  ):
    """Loads the networks and runs the real images through them.

    Args:
      config: of the run.
      datasets: its real images.
      sampler: of its generator.
      poll: called between batches; what it raises ends the evaluation.
    """
    self._sampler, self._poll = sampler, poll
    self._conditional = config.model.conditional
    self._seed = config.seed + 1  # not the latents of the sample grids
    self._count = config.evaluate.num_samples
    self._metrics = {
      name: registry.find('metrics', name, 'compute', 'evaluate.metrics')
      for name in config.evaluate.metrics
    }
    rows = np.random.default_rng(config.seed).permutation(len(datasets.train))
    rows = rows[: config.evaluate.num_reals]
    labels = datasets.train.labels(rows)
    # Asked-for classes are as frequent as in the data: they are labels of real images.
    self._labels = labels[np.arange(self._count) % len(labels)]
    self._networks = []
    for name in config.evaluate.features:
      module = registry.find('features', name, 'load', 'evaluate.features')
      network = module.load(Request(*datasets))
      run = parallel.map_batches(network.apply, config.evaluate.batch_size)
      variables = parallel.replicate(network.params)
      embed = lambda images, run=run, variables=variables: run(variables, images)
      real = self._of_reals(network, embed, datasets.train, rows)
      held = np.arange(min(len(datasets.holdout), self._count))
      floor = self._of_reals(network, embed, datasets.holdout, held)
      self._networks.append((network, embed, real, floor))
    self._floors = self._floor_scores()

  def describe(self) -> dict[str, Any]:
    """What the feature networks are, by name."""
    return {network.name: network.description for network, *_ in self._networks}

  def score(self, variables: PyTree) -> dict[str, float]:
    """Scores a generator's variables (on the host).

    Returns:
      `<metric>_<features>` for each pair, `floor_<metric>_<features>` of held-out real images, and
      the numbers of images `n_fake`, `n_floor` and `n_real`.
    """
    images = list(self._polled(self._sampler.draw(variables, self._labels, self._seed)))
    labels = self._labels if self._conditional else None
    scores: dict[str, float] = {}
    for network, embed, real, _ in self._networks:
      scores |= self._compute(network, real, self._embed(embed, images, labels))
    return {**scores, **self._floors}

  def _floor_scores(self) -> dict[str, float]:
    floors: dict[str, float] = {}
    for network, _, real, floor in self._networks:
      values = self._compute(network, real, floor)
      floors |= {f'floor_{name}': value for name, value in values.items()}
    if self._networks:
      _, _, real, floor = self._networks[0]
      floors |= {'n_real': len(real.pooled), 'n_floor': len(floor.pooled), 'n_fake': self._count}
    return floors

  def _compute(self, network: FeatureNetwork, real: Features, fake: Features) -> dict[str, float]:
    scores: dict[str, float] = {}
    for module in self._metrics.values():
      for name, value in module.compute(real, fake).items():
        scores[f'{name}_{network.name}'] = value.value
    return scores

  def _of_reals(
    self,
    network: FeatureNetwork,
    embed: Callable[..., Any],
    dataset: ImageDataset,
    rows: np.ndarray,
  ) -> Features:
    """The features of rows of a dataset, with their labels."""

    def compute() -> kept.Arrays:
      features = self._embed(embed, self._real_batches(dataset, rows), None)
      return features.pooled, features.logits

    pooled, logits = kept.real_features(network, dataset.fingerprint, rows, compute)
    return Features(pooled, logits, dataset.labels(rows))

  def _embed(
    self, embed: Callable[..., Any], images: Iterable[np.ndarray], labels: np.ndarray | None
  ) -> Features:
    parts = [part for batch in images for part in self._polled(embed(batch))]
    pooled, logits = zip(*parts, strict=True)
    has_logits = logits[0] is not None
    return Features(np.concatenate(pooled), np.concatenate(logits) if has_logits else None, labels)

  def _real_batches(self, dataset: ImageDataset, rows: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), 1000):
      yield dataset.fetch(rows[start : start + 1000])['image']

  def _polled(self, items: Iterable[Any]) -> Iterator[Any]:
    for item in items:
      self._poll()
      yield item


class OpenRun(NamedTuple):
  """A run's generator, read from its workdir without its dataset.

  Attributes:
    config: of the run.
    generator: the network.
    dtype: of the images that it makes.
    variables: the averaged ones of the generator.
    step: that they are of.
  """

  config: ConfigDict
  generator: nn.Module
  dtype: np.dtype
  variables: PyTree
  step: int

  def sampler(self, batch_size: int) -> Sampler:
    """Makes a sampler of the generator."""
    return Sampler(self.generator, batch_size, self.dtype)


def open_run(workdir: str, step: int | None) -> OpenRun:
  """Opens a checkpoint of a run; `step` None is the newest."""
  cache.enable_compilation_cache()
  config = record.load_config(workdir)
  dataset = record.read_circumstances(workdir).get('dataset')
  if dataset is None:
    raise UserError(f'--workdir={workdir}: holds no whole run (no dataset in run.json)')
  parts = build.networks(config, dataset['shape'][-1], dataset['num_classes'])
  checkpoints = checkpoint.Checkpointer(workdir, read_only=True)
  template = build.shapes(parts)
  state = checkpoints.restore(template, step)
  dtype = np.dtype(dataset.get('dtype', 'uint8'))
  return OpenRun(config, parts.generator, dtype, state.ema, int(state.step))


def evaluate(workdir: str, step: int | None = None) -> dict[str, float]:
  """Scores one checkpoint of a run and adds the scores to its record; see `Evaluator.score`."""
  run = open_run(workdir, step)
  config, step = run.config, run.step
  datasets = build.datasets(config)
  record.check_dataset(workdir, build.describe(config, datasets), 'bring back those of the run')
  sampler = run.sampler(config.evaluate.batch_size)
  scores = Evaluator(config, datasets, sampler).score(run.variables)
  record.append_line(workdir, 'evaluate', step, step * config.train.batch_size, scores)
  return scores
