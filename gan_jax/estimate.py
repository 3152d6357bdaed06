"""Forecasts what a run of a config costs on devices that need not be there, before it starts."""

import contextlib
import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ml_collections import ConfigDict
from rich.console import Console

from gan_jax import build, registry
from gan_jax.data import by_name, source
from gan_jax.errors import NotDoneError, UserError
from gan_jax.forecast import changes, result, shown, targets
from gan_jax.forecast.changes import Change
from gan_jax.forecast.costs import Images
from gan_jax.forecast.result import Forecast, Options
from gan_jax.text import columns, say
from gan_jax.workdir import files


class Estimate(NamedTuple):
  """What a run costs on some devices.

  Attributes:
    forecasts: one a batch size.
    largest_batch: that fits, by memory taken to grow evenly with it; 0: none does.
    changes: what saves memory, where none of the batch sizes fits.
  """

  forecasts: list[Forecast]
  largest_batch: int
  changes: list[Change]


def images_of(config: ConfigDict) -> Images:
  """What the config's dataset has.

  Raises:
    UserError: where it is not there.
  """
  train = build.trained_on(config)
  return Images(train.shape[-1], train.num_classes, train.dtype.itemsize)


def config_of(path: str) -> ConfigDict:
  """The config of a file.

  Raises:
    UserError: where there is none.
  """
  module = registry.load(path, '--table')
  if not hasattr(module, 'get_config'):
    raise UserError(f'--table={path}: defines no get_config; accepted: config files')
  return module.get_config()


def dataset_bytes(config: ConfigDict) -> int | None:
  """The config's dataset on disk; None where it is not there, or on no disk."""
  if config.dataset.name == source.RANDOM_IMAGES:
    return None
  with contextlib.suppress(UserError):
    return int(by_name.open_builder(config.dataset.name, config.dataset.data_dir).info.dataset_size)
  return None


def estimate(
  config: ConfigDict,
  images: Images,
  devices: Sequence[str],
  batch_sizes: Sequence[int] = (),
  options: Options | None = None,
) -> list[Estimate]:
  """Forecasts a run on each of some devices, at each of some batch sizes.

  Args:
    config: of the run.
    images: that it is trained on.
    devices: as `cpu`, `tpu:v5e:2x2`, `gpu:h100:8`.
    batch_sizes: of an update, over all devices; none: the config's own.
    options: how.

  Raises:
    UserError: for devices that are not known, or a config that no run on them can have.
    NotDoneError: where a step on the CPU was killed.
  """
  options = options or Options()
  if options.efficiency is not None and not 0 < options.efficiency <= 1:
    raise UserError(f'--efficiency={options.efficiency}: accepted: above 0, at most 1')
  if not -1 <= options.effort <= 1:
    raise UserError(f'--effort={options.effort}: accepted: -1 to 1')
  asked = [targets.parse(name) for name in devices]
  if not asked:
    raise UserError(f'--devices: names none; accepted: {targets.ACCEPTED}')
  configs = [_with_batch(config, size) for size in batch_sizes or [config.train.batch_size]]
  for target in asked:  # all that can be refused is, before anything is compiled
    targets.check(target)
    for each in configs:
      result.check(each, target)
  return [_on(configs, images, target, options) for target in asked]


def _with_batch(config: ConfigDict, size: int) -> ConfigDict:
  changed = config.copy_and_resolve_references()
  changed.train.batch_size = size
  return changed


def _on(
  configs: list[ConfigDict], images: Images, target: targets.Target, options: Options
) -> Estimate:
  found = []
  for config in configs:
    options.say(f'{target.name}: {config.train.batch_size:,} images …')
    found.append(result.forecast(config, images, target, options))
  made: list[Change] = []
  if not any(each.fits for each in found):
    smallest = min(range(len(found)), key=lambda n: found[n].batch_size)
    made = changes.changes(configs[smallest], images, target, options, found[smallest])
  return Estimate(found, result.largest_batch(found), made)


def as_json(found: Sequence[Estimate], data: int | None) -> dict[str, Any]:
  """Everything; what the first forecast says stands at the top as well."""
  each = [
    {
      **forecast.as_json(),
      'largest_batch': one.largest_batch,
      'changes': [{'flags': c.flags, **c.forecast.as_json()} for c in one.changes],
    }
    for one in found
    for forecast in one.forecasts
  ]
  return {**each[0], 'dataset_bytes': data, 'forecasts': each}


def show(found: Sequence[Estimate], data: int | None) -> None:
  """Prints it."""
  console = Console(width=columns())
  for one in found:
    for forecast in one.forecasts:
      console.print(shown.page(forecast))
      if forecast.cost.estimated:
        say(
          "an estimate: no compiler for such a GPU is here; of the step's plain form, compiled for "
          'a CPU'
        )
    if one.changes:
      console.print(shown.change_table(one.changes))
    fitting = f'{one.largest_batch:,} images' if one.largest_batch else 'none'
    measured = 'between those above' if len(one.forecasts) > 1 else 'from the one above'
    say(f'largest batch that fits: about {fitting}, memory taken to grow evenly {measured}')
  say(f'dataset on disk: {"not there" if data is None else shown.size(data)}')


def table(
  configs: dict[str, ConfigDict],
  images: Callable[[str, ConfigDict], Images],
  devices: Sequence[str],
  options: Options,
  path: str | None,
) -> str:
  """A table of several configs on several devices, in Markdown.

  Args:
    configs: by name.
    images: what each is trained on.
    devices: as `estimate` takes them.
    options: how.
    path: JSON file that keeps each forecast as soon as it is made; what is there is not made again.
      None: nothing is kept.
  """
  kept: dict[str, Any] = {}
  if path is not None:
    with contextlib.suppress(FileNotFoundError):
      kept = files.read_json(path)
  rows = []
  for name, config in configs.items():
    for device in devices:
      key = f'{name} {device}'
      if key not in kept:
        kept[key] = _row(config, images(name, config), device, options)
        if path is not None:
          files.write_named(path, '--json', json.dumps(kept, indent=2) + '\n')
      rows.append((name, kept[key]))
  return shown.markdown(rows)


def _row(config: ConfigDict, images: Images, device: str, options: Options) -> dict[str, Any]:
  target = targets.parse(device)
  try:
    return result.forecast(config, images, target, options).as_json()
  except (UserError, NotDoneError) as error:
    return {'devices': device, 'why': str(error)}


def check_writable(path: str) -> None:
  """Raises UserError where a result could not be written, before anything is compiled."""
  files.check_writable(path, '--json')


def write(path: str, content: dict[str, Any]) -> None:
  """Writes the result as JSON."""
  files.write_named(path, '--json', json.dumps(content, indent=2) + '\n')
