"""Learning curves that answer to the pointer: a line for each variant, a band over its seeds."""

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

# Okabe and Ito's palette, without black and yellow: told apart by everybody, on light and dark.
COLOURS = ('#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#7a6ff0', '#8a8a8a')
# Read on light, on dark and on paper, where a canvas is not painted anew.
_TEXT, _LINES = '#767c85', '#88888855'
_DASHES = ('solid', 'dashed', 'dotted', 'dotdash')
Scale = Literal['linear', 'log']
SCALES: tuple[Scale, ...] = ('linear', 'log')
AXES = {'images': 'real images shown', 'seconds': 'seconds of training'}


class Curve(NamedTuple):
  """The curves of one variant.

  Attributes:
    name: of the variant.
    runs: for each seed, images, seconds and value at each point.
  """

  name: str
  runs: list[tuple[int, Sequence[tuple[int, float, float]]]]


def colour(place: int) -> str:
  """Of the variant at a place."""
  return COLOURS[place % len(COLOURS)]


def charts(curves: dict[str, list[Curve]]) -> dict[str, Any]:
  """Every chart that the page can show, as Bokeh embeds it: by `<score>|<axis>|<scale>`.

  Args:
    curves: of each variant, by the score that they are of.
  """
  return {
    f'{score}|{axis}|{scale}': _chart(score, axis, scale, of)
    for score, of in curves.items()
    for axis in AXES
    for scale in SCALES
  }


def mean_curve(curve: Curve) -> np.ndarray:
  """Mean over seeds, `[points, 5]`: images, seconds, mean, lowest, highest.

  At the images that all runs were scored at; of those that broke off, as far as they went.
  """
  by_images: dict[int, list[tuple[float, float]]] = {}
  for _, points in curve.runs:
    for images, seconds, value in points:
      by_images.setdefault(images, []).append((seconds, value))
  rows = []
  for images, found in sorted(by_images.items()):
    seconds, values = np.array(found).T
    rows.append((images, seconds.mean(), values.mean(), values.min(), values.max()))
  return np.array(rows, float).reshape(-1, 5)


def _chart(score: str, axis: str, scale: Scale, curves: list[Curve]) -> Any:
  # Both take a second to import.
  from bokeh.embed import json_item
  from bokeh.models import ColumnDataSource, HoverTool, NumeralTickFormatter
  from bokeh.models.annotations import Legend, LegendItem
  from bokeh.plotting import figure

  drawn = figure(
    height=400,
    sizing_mode='stretch_width',
    y_axis_type=scale,
    x_axis_label=AXES[axis],
    y_axis_label=score,
    tools='pan,xwheel_zoom,box_zoom,reset,save',
    active_drag=None,
    background_fill_color=None,
    border_fill_color=None,
  )
  drawn.toolbar.logo = None
  drawn.outline_line_color = None
  for axis_drawn in drawn.axis:
    axis_drawn.axis_label_text_color = axis_drawn.major_label_text_color = _TEXT
    axis_drawn.axis_line_color = axis_drawn.major_tick_line_color = _LINES
    axis_drawn.minor_tick_line_color = _LINES
  drawn.grid.grid_line_color = _LINES
  drawn.xaxis.formatter = NumeralTickFormatter(format='0,0')
  items: list[Any] = []
  lines: list[Any] = []
  for place, curve in enumerate(curves):
    rows = mean_curve(curve)
    if not len(rows):
      continue
    own = colour(place)
    columns = dict(zip(('images', 'seconds', 'mean', 'low', 'high'), rows.T, strict=True))
    count = len(curve.runs)
    source = ColumnDataSource(
      {**columns, 'name': [curve.name] * len(rows), 'n': [count] * len(rows)}
    )
    band = drawn.varea(x=axis, y1='low', y2='high', source=source, fill_color=own, fill_alpha=0.15)
    dash = _DASHES[place // len(COLOURS) % len(_DASHES)]
    line = drawn.line(axis, 'mean', source=source, color=own, line_width=2.5, line_dash=dash)
    dots = drawn.scatter(axis, 'mean', source=source, color=own, size=6)
    parts: list[Any] = [line, dots, band]
    items.append(LegendItem(label={'value': curve.name}, renderers=parts))
    lines.append(dots)
  tips = [
    ('', '@name'),
    ('images', '@images{0,0}'),
    ('seconds', '@seconds{0,0}'),
    ('mean', '@mean{0.0000}'),
    ('seeds', '@n, from @low{0.0000} to @high{0.0000}'),
  ]
  drawn.add_tools(HoverTool(renderers=lines, tooltips=tips, mode='mouse'))
  legend = Legend(
    items=items,
    click_policy='hide',
    background_fill_alpha=0.0,
    border_line_color=None,
    label_text_color=_TEXT,
  )
  legend.location = 'left'
  drawn.add_layout(legend, 'below')
  legend.ncols = max(1, min(3, math.ceil(len(items) / 2)))
  return json_item(drawn)
