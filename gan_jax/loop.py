"""The training loop: batch, step, log, sample, evaluate, save."""

import contextlib
import functools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import jax
from ml_collections import ConfigDict

from gan_jax import build, progress
from gan_jax.errors import NonFiniteError, NotDoneError, Preempted
from gan_jax.evaluation.keeper import ScoreKeeper
from gan_jax.forecast import short
from gan_jax.monitoring import clock
from gan_jax.monitoring.clock import Clock
from gan_jax.monitoring.log import MetricsLog
from gan_jax.monitoring.pictures import Pictures
from gan_jax.monitoring.position import Position
from gan_jax.runtime import hosts, parallel
from gan_jax.runtime.preemption import StopSignal
from gan_jax.runtime.programs import Program
from gan_jax.sampling.sampler import Sampler
from gan_jax.training import precision
from gan_jax.training.state import TrainState, images_of, redrawn
from gan_jax.workdir import record, shared

T = TypeVar('T')

# Steps whose metrics are still on their way: enough that the device never waits for the host, few
# enough that the bar and Ctrl-C keep pace with it.
_IN_FLIGHT = 2


@contextlib.contextmanager
def memory_told(words: Callable[[BaseException], str | None]) -> Iterator[None]:
  """Says in a line where a device has not the memory, by what `words` makes of the error."""
  try:
    yield
  except jax.errors.JaxRuntimeError as error:
    told = words(error)
    if told is None:
      raise
    raise NotDoneError(told) from error


class Run:
  """One process's part in a run: what the loop needs at hand."""

  def __init__(
    self,
    config: ConfigDict,
    workdir: str,
    datasets: build.Datasets,
    parts: build.Networks,
    initial: Program,
    fitted: build.Fitted,
    stop: StopSignal,
  ):
    self._config, self._workdir, self._datasets, self._stop = config, workdir, datasets, stop
    self._parts, self._initial, self._programs = parts, initial, fitted.programs
    self._of_step = fitted.config
    # The run as a new start would find it.
    self.again = functools.partial(Run, config, workdir, datasets, parts, initial, fitted, stop)
    self._bar = progress.ProgressBar(
      config.train.images, config.train.get('seconds'), shown=hosts.is_first()
    )
    self._sampler = Sampler(parts.generator, config.evaluate.batch_size, datasets.train.dtype)
    self._pictures = Pictures(
      workdir,
      datasets.train,
      self._sampler,
      (config.sample.rows, config.sample.columns),
      config.seed,
      config.model.conditional,
      functools.partial(build.augmented, config, parts),
    )
    self._scores = ScoreKeeper(
      workdir,
      build.asked_of(config),
      datasets,
      self._sampler,
      build.ranking(config),
      self._bar.say,
    )
    self._checkpoints = shared.Checkpoints(
      workdir, config.checkpoint.keep_last, config.checkpoint.keep_best, self._scores.ranks
    )
    self._closing = contextlib.ExitStack()
    self._closing.callback(self._checkpoints.close)
    self._first_average: Any = None
    self._said = [fitted.line] if fitted.chosen else []
    if self._checkpoints.latest() is None:
      state = self._initial_state()
      self._first_average = state.ema  # and nothing else: the state is to be on the devices alone
    else:
      state = self._checkpoints.restore(initial.compiled(self._key()).out_info)
    self._at = Position(
      int(state.step), images_of(state), build.images_per_step(config), config.train.images
    )
    self._about = self._checkpoints.about(self._at.step) if self._at.step else {}
    self._recorded: int = self._about.get('record_bytes', 0)  # before the step was saved
    self._rollbacks, state = self._other_draws(state)
    self._state = parallel.across_hosts(parallel.replicate(state))
    self._scores.go_on(self._at.step, self._about.get('scores'), self._recorded)
    self._bar.advance(self._at.images())
    self._clock = Clock()
    self._asked: Callable[[], bool] = lambda: False  # of the step before
    self._seconds_before = 0.0  # of training, of the starts before this one

  @property
  def began_at(self) -> tuple[int, int]:
    """Step and images at which this start begins."""
    return self._at.began_at

  def open_record(self, track: Sequence[str]) -> None:
    """Begins to write: sets aside what came after the step that the run goes on from."""
    step, images = self.began_at
    self._record = shared.open_record(self._workdir, step, images, self._recorded, track)
    self._closing.callback(self._record.close)
    for bad, why in self._checkpoints.damaged().items():
      self._record.write('damaged', step, images, {'checkpoint': bad, 'reason': why})
    self._checkpoints.set_damaged_aside()
    self._seconds_before = self._about.get('seconds', 0.0)
    if self._time_is_up():
      self._at.end_here()
    self._log = MetricsLog(
      self._record,
      self._bar,
      self._clock,
      self._at.images,
      functools.partial(self._at.due, self._config.train.log_images),
      self._about.get('window'),
      self._about.get('alarms'),
    )

  def loop(self) -> None:
    """Trains to the end; saves and raises Preempted where it is asked to stop before."""
    step_function = self._programs.step
    batches = build.batches(self._config, self._datasets.train, self._at.images(), self._rollbacks)
    with self._bar:
      for line in build.summary(self._config, self._datasets, self._state):
        self._bar.say(line)
      for line in self._said:
        self._bar.say(line)
      if self._at.step:
        self._bar.say(f'continuing {self._workdir} at {self._at.images():,} images')
      try:
        if not self._at.step:
          self._draw_samples()
        self._finish_interval()
        while self._at.step < self._at.last:
          self._heed()
          with self._clock('input'):
            batch = parallel.across_hosts(parallel.shard(next(batches)))
          if not step_function.ready:
            with self._clock('compile'), memory_told(self._out_of_memory):
              self._at_once(functools.partial(step_function.compiled, self._state, batch))
          if self._at.step == self.began_at[0]:
            self._bar.say(short.line(self._of_step, step_function.executable, self._state))
          with self._clock('step'), memory_told(self._out_of_memory):
            self._state, metrics = step_function(self._state, batch)
            self._at.step += 1
            self._log.add(self._at.step, metrics, self._diagnosed(batch))
            self._drain(_IN_FLIGHT)
          if self._time_is_up():
            self._at.end_here()
          self._bar.advance(self._at.images())
          self._finish_interval()
      except Preempted as signal:
        self._drain(0)
        self._save()
        with self._clock('save'):
          self._checkpoints.wait()
        raise Preempted(
          f'{signal}: saved at {self._at.images():,} images; the same command continues'
        ) from None

  def summary(self) -> dict[str, Any]:
    """The final scores, and those of the untrained generator as `untrained_<score>`."""
    with self._clock('save'):
      self._checkpoints.wait()
    totals = self._clock.totals()
    self._bar.say(f'time: {clock.summary(totals)}')
    self._record_end()
    return self._scores.summary(self._at.step)

  def close(self) -> None:
    """Waits for what is being written."""
    self._closing.close()

  def _out_of_memory(self, error: BaseException) -> str | None:
    """What would have fitted where a step did not."""
    return short.out_of_memory(
      error, self._of_step, self._parts, self._programs.step.executable, self._state
    )

  def _heed(self) -> None:
    """Raises Preempted where a host was told to stop, and what went wrong beside the steps.

    Several hosts ask one another beside each step and read the answer a step later, so that no step
    waits for it, and all stop at the same one.
    """
    if jax.process_count() == 1:
      self._checkpoints.check()
      self._stop.check()
      return
    troubled = self._stop.requested or self._checkpoints.troubled()
    answer, self._asked = self._asked, parallel.ask_all(troubled)
    if answer():
      self._checkpoints.check()
      self._stop.check()
      raise Preempted('another host was told to stop')

  def _key(self) -> jax.Array:
    return jax.random.key(self._config.seed)

  def _initial_state(self) -> TrainState:
    """The state of step 0: the seed's, or another run's weights where the config names one."""
    state, other = self._initial(self._key()), self._config.init.workdir
    if not other:
      return state
    state, told = build.start_from(self._config, state, self._datasets.train)
    hosts.on_first(lambda: record.keep_init(self._workdir, told))
    self._said.append(build.told_line(told))
    return state

  def _other_draws(self, state: TrainState) -> tuple[int, TrainState]:
    """How often the run was rolled back until now, and the state with the draws of since then.

    The record knows: the checkpoint that a run went back to is from before.
    """
    known = self._about.get('rollbacks', 0)
    read = lambda: record.read_metrics(self._workdir, 'rollback', self._recorded)
    lines = hosts.on_first(read)
    count = max([known, *(line['count'] for line in lines if line['step'] <= self._at.step)])
    return count, redrawn(state, count) if count > known else state

  def _trained_seconds(self) -> float:
    totals = self._clock.totals()
    return self._seconds_before + sum(totals.get(part, 0.0) for part in clock.TRAINING)

  def _time_is_up(self) -> bool:
    seconds = self._config.train.get('seconds')
    if seconds is None:
      return False
    return parallel.ask_all(hosts.is_first() and self._trained_seconds() >= seconds)()

  def _record_end(self) -> None:
    """Records that the run has come to its end, and how long it was trained for; once."""
    if not hosts.is_first():
      return
    ends = record.read_metrics(self._workdir, 'end', self._recorded)
    if self._at.step not in [line['step'] for line in ends]:
      images = self._at.images()
      self._record.write('end', self._at.step, images, {'seconds': self._trained_seconds()})

  def _finish_interval(self) -> None:
    """Does what is due after a step and not done yet; so too when a run continues there."""
    config, step = self._config, self._at.step
    sample_due = self._at.due(config.train.sample_images)
    score_due = config.evaluate.images > 0 and self._at.due(config.evaluate.images)
    save_due = self._at.due(config.train.checkpoint_images)
    if not (sample_due or score_due or save_due):
      return
    self._drain(0)
    # Saved before anything that takes long: whatever ends the run there, the step is not lost, and
    # what is still due is done when the run continues. Scores are compared at the next save.
    if save_due or score_due:
      self._save()
    # A signal need not wait for a sampler's compilation, a classifier's training, or scores.
    if sample_due:
      self._draw_samples()
    if score_due and step not in self._scores.lines:
      with self._clock('evaluate'):
        self._at_once(self._evaluate)

  def _at_once(self, work: Callable[[], T]) -> T:
    """Does what a signal to any host stops at once, on all of them."""

    def heeding() -> T:
      with self._stop.at_once():
        return work()

    return hosts.together(heeding)

  def _drain(self, keep: int) -> None:
    """Reads the metrics of all but the newest steps, and logs where that is due."""
    # Waiting for a step is part of it.
    with self._clock('step'), memory_told(self._out_of_memory):
      bad = self._log.drain(keep)
    if bad is not None:
      names = f'{bad.player[0]}_loss', f'{bad.player[0]}_grad_norm'
      found = ', '.join(f'{name}={bad.values[name]:.4g}' for name in names)
      raise NonFiniteError(
        f'the {bad.player} has a loss or gradient that is not finite ({found})', bad.step
      )

  def _diagnosed(self, batch: Any) -> Any:
    """What the diagnosis finds after this step, on its way; None where no log is due."""
    if not self._config.train.diagnose or not self._at.due(self._config.train.log_images):
      return None
    held_out = build.held_out_batch(self._config, self._datasets.holdout, self._at.step)
    held_out = parallel.across_hosts(parallel.shard(held_out))
    return self._programs.diagnosis(self._state, batch, held_out)

  def go_back_or_stop(self, error: NonFiniteError) -> None:
    """Records that the run goes back to its newest checkpoint, or that it stops here.

    Raises:
      NonFiniteError: where `train.rollbacks` accepts no more; says what is still good.
    """
    self._checkpoints.wait()
    good = self._checkpoints.latest()
    step = self._at.step if error.step is None else error.step
    found = f'step {step} ({self._at.images(step):,} images): {error}'
    named = re.search('discriminator|generator', str(error))
    about = {'player': named[0] if named else ''}
    accepted = self._config.train.get('rollbacks', 0)
    if self._rollbacks < accepted:
      self._record_rollback(good or 0, {**about, 'not_finite': step})
      self._bar.say(
        f'! {found}; going back to step {good or 0}, on with other draws '
        f'({self._rollbacks + 1} of {accepted} times)'
      )
      return
    kept = 'no checkpoint was saved before' if good is None else f'the last good one is step {good}'
    tried = f' after going back {accepted} times' if accepted else ''
    self._record.write('non_finite', step, self._at.images(step), about)
    raise NonFiniteError(
      f'{found}; stopped{tried}, {kept}. Lower the learning rate or raise r1.weight'
    )

  def _record_rollback(self, back: int, about: dict[str, Any]) -> None:
    """Records that the run goes back, at the step that it goes back to, so that the line stays."""
    images = self._checkpoints.about(back)['images'] if back else 0
    self._record.write('rollback', back, images, {'count': self._rollbacks + 1, **about})

  def _draw_samples(self) -> None:
    due = lambda: hosts.is_first() and not self._pictures.has(self._at.images())
    with self._clock('sample'):
      self._at_once(lambda: self._sample() if due() else None)

  def _sample(self) -> None:
    images = self._at.images()
    self._record.image('samples', images, self._pictures.draw(images, self._average()))

  def _evaluate(self) -> None:
    """Scores this step, and the untrained generator where that has not been done."""
    self._bar.doing('evaluating')
    if 0 not in self._scores.lines and (first := self._untrained()) is not None:
      self._scores.score(self._record, 0, 0, first)
    images = self._at.images()
    self._scores.score(self._record, self._at.step, images, self._average())
    self._bar.doing('training')

  def _untrained(self) -> Any:
    """The generator of step 0; None where it was another run's, which may be gone by now."""
    if self._first_average is not None:
      return precision.float32(self._first_average)
    none = self._config.init.workdir
    return None if none else precision.float32(self._initial_state().ema)

  def _average(self) -> Any:
    """The generator's averaged variables, on the host, float32."""
    return precision.float32(parallel.to_host(self._state.ema))

  def _save(self) -> None:
    about = {
      'images': self._at.images(),
      'window': self._log.window,
      'alarms': self._log.alarms,
      'record_bytes': self._record.size(),
      'scores': self._scores.of(self._checkpoints.steps()),
      'seconds': self._trained_seconds(),
      'rollbacks': self._rollbacks,
    }
    with self._clock('save'):
      self._checkpoints.save(self._at.step, self._state, about)
