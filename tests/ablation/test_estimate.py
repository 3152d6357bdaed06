"""What a plan will take, of steps whose speed is given."""

from configs import smoke
from gan_jax.ablation import estimate, plan, sweep
from gan_jax.ablation.root import Root

# The second differs from the first in what is no part of a step.
VARIANTS = {
  'plain': {},
  'looked at': {'evaluate.images': 192, 'sample.rows': 3, 'train.log_images': 64},
  'wide': {'dcgan.width': 16},
}
SPEEDS = {'plain': 100.0, 'wide': 50.0}


def test_steps_that_are_alike_are_measured_once_and_the_times_add_up(tmp_path, monkeypatch):
  budget = sweep.Budget(images=192)
  asked = sweep.Sweep('?', smoke.get_config(), VARIANTS, 'plain', budget, (0, 1))
  made, root, measured = plan.plan('tiny', asked), Root(str(tmp_path / 'root')), []
  root.make()

  def speed_of(run, root):
    measured.append(run.variant)
    return SPEEDS[run.variant]

  monkeypatch.setattr(estimate, '_measure', speed_of)
  monkeypatch.setattr(estimate, 'disk_bytes', lambda config: 1e6)
  found = estimate.measured(made, root, set(made.distinct))
  assert measured == ['plain', 'wide']
  assert found == (4 * 192 / 100 + 2 * 192 / 50, 6e6, SPEEDS)
  left = {run.key for run in made.runs if run.variant == 'looked at'}
  assert estimate.measured(made, root, left) == (2 * 192 / 100, 6e6, SPEEDS)
  assert measured == ['plain', 'wide']  # they are kept
