"""The scores of a run while it is trained: made where they are due, kept, and ranked."""

from collections.abc import Callable
from typing import Any

from gan_jax.data.source import ImageDataset
from gan_jax.errors import UserError
from gan_jax.evaluation import subject
from gan_jax.evaluation.evaluator import Asked, Evaluator
from gan_jax.evaluation.scores import flat
from gan_jax.runtime import hosts
from gan_jax.runtime.tree import PyTree
from gan_jax.sampling.sampler import Sampler
from gan_jax.workdir import record

Line = dict[str, Any]


class ScoreKeeper:
  """Scores generators of a run and adds the scores to its record.

  Attributes:
    lines: of the record, by step; step 0 is the generator before training.
    ranks: what orders checkpoints, by step, lower for the better; changes as scores come.
  """

  def __init__(
    self,
    workdir: str,
    asked: Asked,
    datasets: tuple[ImageDataset, ImageDataset],
    sampler: Sampler,
    rank: Callable[[Line], float],
    say: Callable[[str], None],
  ):
    """Begins without scores, see `go_on`; opens no network.

    Args:
      workdir: of the run.
      asked: what is scored with what.
      datasets: trained on, and held out.
      sampler: of the generator.
      rank: maps scores to a number that is lower for the better.
      say: shows a line.
    """
    self._workdir, self._asked, self._datasets = workdir, asked, datasets
    self._sampler, self._rank, self._say = sampler, rank, say
    self.lines: dict[int, Line] = {}
    self.ranks: dict[int, float] = {}
    self._evaluator: Evaluator | None = None

  def go_on(self, step: int, saved: list[Line] | None, start: int) -> None:
    """Takes the scores of the run up to a step that it goes on from.

    Args:
      step: of the run.
      saved: those that `of` gave when it was saved; None: all are in the record.
      start: where in the record lines begin that came after it was saved.
    """
    start = 0 if saved is None else start
    lines = hosts.on_first(lambda: record.read_metrics(self._workdir, 'scores', start))
    for line in [*(saved or []), *lines]:
      if line['step'] <= step:
        self.lines[line['step']] = line
        if line['step']:
          self.ranks[line['step']] = self._rank(line)

  def of(self, steps: list[int]) -> list[Line]:
    """The scores of some steps and of the untrained generator, to be saved beside a state."""
    return [line for step, line in self.lines.items() if step in (0, *steps)]

  def score(self, writer: record.Record, step: int, images: int, variables: PyTree) -> None:
    """Scores a generator, records it and says what was found.

    What its images cannot give is left out, with a word: a run goes on without.

    Args:
      writer: of the record.
      step: of the run.
      images: shown before it.
      variables: of the generator, on the host.
    """
    evaluator = self._opened()
    found = subject.of_generator(
      f'step {step}', self._sampler, variables, evaluator.asked_labels, self._asked.conditional
    )
    try:
      scores: Line = dict(flat(evaluator.score(found)))
    except UserError as error:
      evaluator.notes.append(f'{found.name}: {error}')
      scores = {}
    for note in evaluator.notes:
      self._say(f'! {note}')
    evaluator.notes.clear()
    if scores:
      scores |= evaluator.digests()
    writer.write('scores', step, images, scores)
    self.lines[step] = {'step': step, 'images': images, **scores}
    if step:
      self.ranks[step] = self._rank(scores)
    shown = '  '.join(f'{k} {v:.4g}' for k, v in scores.items() if f'{k}_low' in scores)
    self._say(f'scores at {images:,} images: {shown}')

  def summary(self, step: int) -> dict[str, Any]:
    """The scores of a step, and those of the untrained generator as `untrained_<score>`."""
    bookkeeping = ('kind', 'step', 'images', 'time')
    clean = lambda line: {k: v for k, v in line.items() if k not in bookkeeping}
    untrained = clean(self.lines.get(0, {}))
    return clean(self.lines.get(step, {})) | {f'untrained_{k}': v for k, v in untrained.items()}

  def _opened(self) -> Evaluator:
    """The evaluator, whose networks are opened, and maybe trained, when it is first asked for."""
    if self._evaluator is None:
      evaluator = self._evaluator = Evaluator(self._asked, *self._datasets)
      hosts.on_first(lambda: self._keep_features(evaluator.describe()))
    return self._evaluator

  def _keep_features(self, found: dict[str, Any]) -> None:
    """Records the feature networks; scores by others are not compared with theirs."""
    before = record.read_circumstances(self._workdir).get('features', {})
    other = [
      name
      for name, about in found.items()
      if name in before and before[name].get('digest') != about.get('digest')
    ]
    if other:
      self.ranks.clear()
      self._say(
        f'! {", ".join(other)}: not the network of the scores before, such as where a run goes on '
        'on another machine; they are not compared with those from here on'
      )
    record.keep_features(self._workdir, found)
