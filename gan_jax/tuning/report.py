"""What a search of γ has found, and how it is shown."""

import json
import os
from typing import Any, NamedTuple

from gan_jax.workdir import record


class Candidate(NamedTuple):
  """Values to be tried.

  Attributes:
    gamma: weight of the first regulariser that has a γ; the others keep their ratio to it.
    learning_rate: factor on the learning rates of both players.
    batch_size: of a player's update.
  """

  gamma: float
  learning_rate: float
  batch_size: int

  @property
  def name(self) -> str:
    """Of its workdir."""
    return f'gamma{self.gamma:g}_rate{self.learning_rate:g}_batch{self.batch_size}'


class Found(NamedTuple):
  """The end of a search.

  Attributes:
    best: the candidate with the best score in the last rung.
    as_good: others of the last rung that its interval reaches.
    at_border: whether its γ is the smallest or the largest tried.
    overrides: of the config, that give the best.
    rungs: for each rung, images and each candidate's line of scores (None: it came to nothing).
  """

  best: Candidate
  as_good: list[Candidate]
  at_border: bool
  overrides: dict[str, float]
  rungs: list[tuple[int, dict[Candidate, dict[str, float] | None]]]


def write(root: str, key: str, found: Found, about: dict[str, Any]) -> None:
  """Writes `report.json` and `scores.png`.

  Args:
    root: folder.
    key: the score that candidates are compared by.
    found: the end of the search.
    about: what was searched, for the report.
  """
  os.makedirs(root, exist_ok=True)
  report = {
    'best': found.best._asdict(),
    'as_good': [candidate._asdict() for candidate in found.as_good],
    'at_border': found.at_border,
    'overrides': found.overrides,
    'score': key,
    'search': about,
    'circumstances': record.circumstances(),
    'rungs': [
      {
        'images': images,
        'candidates': [{**c._asdict(), 'scores': line} for c, line in lines.items()],
      }
      for images, lines in found.rungs
    ],
  }
  record.write_atomically(os.path.join(root, 'report.json'), json.dumps(report, indent=2) + '\n')
  _draw(key, found, os.path.join(root, 'scores.png'))


def _draw(key: str, found: Found, path: str) -> None:
  """The score over γ, a line for each rung, with its intervals."""
  from matplotlib.figure import Figure  # takes a second to import

  figure = Figure(figsize=(6, 4), layout='constrained')
  axes = figure.add_subplot()
  for images, lines in found.rungs:
    good = sorted(((c, line) for c, line in lines.items() if line is not None), key=lambda x: x[0])
    y = [line[key] for _, line in good]
    error = [
      [abs(line[key] - line.get(f'{key}_{end}', line[key])) for _, line in good]
      for end in ('low', 'high')
    ]
    gammas = [candidate.gamma for candidate, _ in good]
    axes.errorbar(gammas, y, error, marker='o', capsize=3, label=f'{images:,} images')
  axes.set(xscale='log', xlabel='γ', ylabel=key)
  axes.legend()
  figure.savefig(path, dpi=120)
