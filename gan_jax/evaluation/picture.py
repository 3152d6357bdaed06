"""An evaluation as one picture: samples beside the nearest real images, scores, classes."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import EngFormatter, MaxNLocator

from gan_jax.data.inspection import fonts
from gan_jax.evaluation.result import Evaluation, Gallery
from gan_jax.evaluation.scores import Score, Scored
from gan_jax.sampling.grid import grid

_COLUMNS = 4  # of small plots
_MOST_CLASSES = 40  # in a plot of bars; more are a histogram
_BETTER = {False: 'lower is better', True: 'higher is better', None: 'beside held-out reals'}
_BLUE, _RED, _GREY = '#3d7dca', '#c8553d', '#777777'


def write(evaluation: Evaluation, path: str) -> None:
  """Draws curves or points of every score, bars of classes and the gallery, as PNG."""
  names = [name for row in evaluation.rows for name in (row.subject, *row.class_names)]
  with fonts.drawing(names):
    _draw(evaluation).savefig(path, format='png', dpi=110)


def _draw(evaluation: Evaluation) -> Figure:
  keys = list(dict.fromkeys(score.key for row in evaluation.rows for score in row.scores))
  best = evaluation.rows[evaluation.best[0]]
  by_class = [score for score in best.scores if score.details]
  plots = math.ceil(len(keys) / _COLUMNS)
  heights = [2.6, *[2.2] * plots, *[2.3] * len(by_class)]
  figure = Figure(figsize=(12, sum(heights) + 0.4), layout='constrained')
  parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
  _gallery(parts[0], evaluation.gallery)
  for line in range(plots):
    axes = parts[1 + line].subplots(1, _COLUMNS, squeeze=False)[0]
    for place, axis in enumerate(axes):
      index = line * _COLUMNS + place
      if index < len(keys):
        _scores(axis, evaluation.rows, keys[index])
      else:
        axis.axis('off')
  for part, score in zip(parts[1 + plots :], by_class, strict=True):
    _classes(part, score, best.class_names, best.label)
  return figure


def _scores(axis: Axes, rows: list[Scored], key: str) -> None:
  """A score of every row: a curve over images shown for each run of several checkpoints."""
  found = [(row, score) for row in rows for score in row.scores if score.key == key]
  subjects = list(dict.fromkeys(row.subject for row, _ in found))
  curves = len(found) > len(subjects)
  for number, subject in enumerate(subjects):
    own = [(row, score) for row, score in found if row.subject == subject]
    values, low, high = np.array([score.estimate for _, score in own]).T
    color = f'C{number}' if len(subjects) > 1 else _BLUE
    if curves:
      x = [row.images or 0 for row, _ in own]
      axis.plot(x, values, '.-', color=color, label=_short(subject))
      axis.fill_between(x, low, high, color=color, alpha=0.25, linewidth=0)
    else:
      spread = [np.maximum(values - low, 0), np.maximum(high - values, 0)]
      axis.errorbar([number], values, spread, fmt='o', color=color, capsize=4)
  if curves:
    axis.set_xlabel('real images shown', fontsize=8)
    axis.xaxis.set_major_locator(MaxNLocator(4))
    axis.xaxis.set_major_formatter(EngFormatter(sep=''))
  else:
    labels = [_short(row.label) for row, _ in found]
    axis.set_xticks(range(len(found)), labels, rotation=0 if len(found) == 1 else 20)
    axis.set_xlim(-0.7, len(found) - 0.3)
  if curves and len(subjects) > 1:
    axis.legend(fontsize=6)
  for value in {score.floor.value for _, score in found if score.floor is not None}:
    axis.axhline(value, color=_RED, linestyle='--', linewidth=1)
    axis.annotate(
      'held-out reals', (1, value), xycoords=('axes fraction', 'data'), ha='right', va='bottom',
      color=_RED, fontsize=8,
    )  # fmt: skip
  names = ', '.join(dict.fromkeys(score.name for _, score in found))
  axis.set_title(f'{names}\n({_BETTER[found[0][1].higher_is_better]})', fontsize=8)
  axis.margins(y=0.2)
  axis.ticklabel_format(axis='y', useOffset=False)
  axis.tick_params(labelsize=7)
  axis.grid(alpha=0.3)


def _classes(part: SubFigure, score: Score, names: tuple[str, ...], label: str) -> None:
  axis = part.subplots()
  values = np.array([detail.value for detail in score.details.values()])
  axis.set_title(f'{score.name} by class, {label}', fontsize=9)
  axis.grid(alpha=0.3, axis='y')
  if len(values) > _MOST_CLASSES:
    axis.hist(values, bins=40, color=_BLUE)
    axis.set_xlabel(f'{score.metric} of a class')
    axis.set_ylabel('classes')
    return
  low, high = np.array([detail[1:] for detail in score.details.values()]).T
  spread = [np.maximum(values - low, 0), np.maximum(high - values, 0)]
  axis.bar(range(len(values)), values, yerr=spread, color=_BLUE, ecolor=_GREY, capsize=2)
  axis.axhline(score.estimate.value, color=_GREY, linewidth=1)
  shown = [_short(names[number]) for number in score.details]
  turned = max(map(len, shown)) * len(shown) > 90
  axis.set_xticks(range(len(values)), shown, rotation=60 if turned else 0, fontsize=8)


def _gallery(part: SubFigure, gallery: Gallery) -> None:
  """Samples above, the real image nearest to each below."""
  axis = part.subplots()
  count = len(gallery.images)
  both = grid(np.concatenate([gallery.images, gallery.nearest]), count)
  height, width = both.shape[0] / 2, both.shape[1] / count  # of one, scaled where it is large
  axis.imshow(both, cmap='gray', vmin=0, vmax=255, interpolation='nearest')
  places = (np.arange(count) + 0.5) * width - 0.5
  axis.set_xticks(places, [f'{distance:.3g}' for distance in gallery.distances], fontsize=8)
  axis.set_yticks([height / 2, height * 1.5], ['scored', 'nearest real'], fontsize=9)
  axis.tick_params(length=0)
  axis.set_xlabel('distance of the features', fontsize=8)
  axis.set_title(f'{gallery.subject}: images and the real image nearest to each', fontsize=9)


def _short(text: str) -> str:
  """The text, without its middle where it is long: names differ at either end."""
  return text if len(text) <= 26 else f'{text[:10]}...{text[-13:]}'
