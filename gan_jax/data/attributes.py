"""The attributes of images that a preparation kept: columns of a label file beside the class."""

from typing import Any

import numpy as np

from gan_jax.data.records import in_parts, open_split


def read(builder: Any, split: str, rows: Any = None) -> dict[str, np.ndarray]:
  """Reads attributes of some images of a split, without decoding any.

  Args:
    builder: of the dataset.
    split: of it.
    rows: integers, of the split; None: all.

  Returns:
    Values `[n]` by column: floats, NaN where there is none, or text. {} where none were kept.
  """
  features = builder.info.features
  if 'attributes' not in features:
    return {}
  records: Any = open_split(builder, split)
  asked = list(range(len(records))) if rows is None else [int(row) for row in rows]
  found: dict[str, list[Any]] = {name: [] for name in features['attributes']}
  for _, part in in_parts(records, asked):
    for record in part:
      for name, value in record['attributes'].items():
        found[name].append(value.decode() if isinstance(value, bytes) else value)
  return {name: np.array(values) for name, values in found.items()}
