"""Writes a folder by which a trained generator is handed on; `gan_jax.open` takes it back."""

import os
from typing import Any

import jax
import numpy as np

from gan_jax import build, registry
from gan_jax.errors import UserError
from gan_jax.sampling.grid import grid, grid_labels, save_image
from gan_jax.share import card, folder, onnx_model, program, web_runtime, weights
from gan_jax.share import page as pages
from gan_jax.training.state import variables_of
from gan_jax.workdir import checkpoint, record

_SIDE = 8  # columns of the samples picture, and rows at most
_VERSIONS = ('jax', 'flax', 'optax')


def export(
  workdir: str,
  out: str,
  step: int | None = None,
  licence: str = '',
  onnx: bool = False,
  page: bool = False,
  runtime: str = '',
) -> None:
  """Writes the folder of a run's generator, whole or not at all.

  Args:
    workdir: of the run.
    out: folder that is new or empty.
    step: of the checkpoint, or the images shown before it; None: the newest.
    licence: of the weights, an identifier of Hugging Face's such as `cc-by-4.0`; '': not stated.
    onnx: write the generator as an ONNX model, too.
    page: write a page that draws with it in a browser, too, and so the ONNX model.
    runtime: path of the package onnxruntime-web, which the page needs; see `share.web_runtime`.

  Raises:
    UserError: where there is no such run or checkpoint, or the folder cannot be written; of ONNX
      where its package is not installed or the network has an operation that is not known there;
      of a page where the runtime cannot be read, or the model is too large.
  """
  card.check_licence(licence)
  folder.check(out)
  if runtime and not page:
    raise UserError(f'--runtime={runtime}: is for a page; add --page')
  drawn_by = web_runtime.read(runtime) if page else None
  if onnx or page:
    # Says what is missing, before anything is made.
    onnx_model.package('--page' if page else '--onnx')
  run = build.open_run(workdir, step)
  told = _about(workdir, out, run, licence)._replace(onnx=onnx or page, page=page)
  if page:
    pages.check(told.weights)
  _, state = checkpoint.Checkpointer(workdir, read_only=True).read(run.step)
  with folder.new(out) as new:
    weights.write(str(new / folder.GENERATOR), program.flat(run.variables))
    discriminator = variables_of(state['discriminator'])
    weights.write(str(new / folder.DISCRIMINATOR), program.flat(discriminator))
    folder.write_config(new, run.config, told.dataset, run.step, run.images)
    (new / folder.PROGRAM).write_bytes(program.stablehlo(run.generator, run.variables, run.dtype))
    if told.onnx:
      model = onnx_model.generator(run.generator, run.variables, run.dtype)
      (new / folder.ONNX).write_bytes(model)
    if drawn_by:
      noisy = hasattr(run.generator, 'fixed_noise')
      record.write_atomically(str(new / folder.PAGE), pages.page(told, model, drawn_by, noisy))
    save_image(str(new / folder.SAMPLES), _samples(run))
    record.write_atomically(str(new / folder.CARD), card.text(told))


def _about(workdir: str, out: str, run: build.OpenRun, licence: str) -> card.About:
  found = record.read_circumstances(workdir)
  network: Any = run.generator
  starts: list[dict[str, Any]] = found.get('starts') or [{}]
  packages = starts[-1].get('packages', {})
  named = (run.config.model.name, run.config.model.get('discriminator', ''))
  return card.About(
    name=os.path.basename(os.path.abspath(out)),
    architecture=os.path.basename(run.config.model.name).removesuffix('.py'),
    shape=(*np.broadcast_to(network.resolution, 2).tolist(), network.channels),
    dtype=run.dtype.name,
    latent_size=network.latent_size,
    num_classes=network.num_classes,
    class_names=run.class_names,
    truncates=hasattr(network, 'truncated'),
    step=run.step,
    images=run.images,
    weights=sum(int(np.size(leaf)) for leaf in jax.tree.leaves(run.variables['params'])),
    dataset=found['dataset'],
    data_licence=found['dataset'].get('licence') or _licence_of(found['dataset'].get('name', '')),
    licence=licence,
    versions={name: packages[name] for name in _VERSIONS if name in packages},
    opens=not any(name.endswith('.py') for name in named),
    scores=card.scores(workdir, run.step),
    audits=card.audits(workdir),
  )


def _licence_of(name: str) -> str:
  """The licence of a dataset that this package knows by name; '' of others."""
  if name not in registry.names('data.datasets'):
    return ''
  return registry.find('data.datasets', name, 'dataset.name').Builder.LICENCE


def _samples(run: build.OpenRun) -> np.ndarray:
  network: Any = run.generator
  labels = grid_labels(network.num_classes, _SIDE, _SIDE)
  sampler = run.sampler(min(len(labels), run.config.evaluate.batch_size))
  return grid(np.concatenate(list(sampler.draw(run.variables, labels, seed=0))), _SIDE)
