"""What is printed of a plan says all of it."""

from configs import smoke
from gan_jax.ablation import plan, results, shown, sweep
from gan_jax.ablation.status import State

PLAYER = {
  **{'dcgan.width': 8, 'dcgan.max_width': 32, 'model.latent_size': 7, 'r1.interval': 2},
  **{'loss.name': 'hinge', 'r1.weight': 2.0, 'regularisers': ('r1',)},
}
VARIANTS = {
  'plain': {},
  'many': {**PLAYER, 'train.batch_size': 8},
  'another loss': {**PLAYER, 'loss.name': 'wasserstein', 'ema.ramp': 0.5},
  'one': {'dcgan.width': 8},
}


def variants_of(printed):
  """The lines of each variant's cell."""
  found = {}
  for line in printed.splitlines():
    if line.startswith('│'):
      name, change, _ = (cell.strip() for cell in line.strip('│').split('│'))
      found.setdefault(name or list(found)[-1], []).append(change)
  return {name.removesuffix(' (baseline)'): lines for name, lines in found.items()}


def read(lines, others):
  """The changes that a reader makes of a cell: key to its line."""
  made = {}
  if lines[0].startswith('as '):
    made = dict(others[lines[0].removeprefix('as ').removesuffix(', but')])
    lines = lines[1:]
  for line in lines:
    key = line.split()[0]
    if line == f'{key} as the base':
      del made[key]
    elif line != 'nothing':
      made[key] = line
  return made


def test_of_variants_alike_a_plan_says_what_is_not_and_no_change_is_lost(capsys, monkeypatch):
  monkeypatch.setenv('COLUMNS', '200')
  budget = sweep.Budget(images=192)
  made = plan.plan('x', sweep.Sweep('?', smoke.get_config(), VARIANTS, 'plain', budget, (0,)))
  shown.show_plan(made, {run.key: State.NEW for run in made.runs}, 'root')
  cells = variants_of(capsys.readouterr().out)
  assert cells['another loss'][:2] == ['as many, but', 'train.batch_size as the base']
  assert len(cells['another loss']) == 4
  understood = {}
  for name, lines in cells.items():
    understood[name] = read(lines, understood)
    assert understood[name].keys() == made.changes(name).keys()
    for key, (base, own) in made.changes(name).items():
      value = lambda x: ','.join(map(str, x)) or '()' if isinstance(x, list) else str(x)
      assert understood[name][key] == f'{key} {value(base)} -> {value(own)}'


def test_the_table_on_the_screen_has_a_row_for_each_variant(written, capsys):
  root, made = written({'a': [[3], [4], [5]], 'b': [[2], [2], [2]], 'c': [[1], [1], []]})
  found = results.read(root, made.name, root.sweeps()[made.name])
  shown.show_results(found, root.path)
  printed = capsys.readouterr().out
  cells = [
    [cell.strip() for cell in line.strip('│').split('│')]
    for line in printed.splitlines()
    if line.startswith('│')
  ]
  # Student's interval of 3, 4, 5: its half is 4.303 / √3; Clopper and Pearson's of 3 of 3.
  assert cells == [
    ['a', '3, 4, 5', '4 [1.516, 6.484]', '–', '–', '–'],
    ['b', '2, 2, 2', '2 [2, 2]', '−2 [−4.484, 0.4841]', '1.00 [0.29, 1.00]', '0.5'],
    ['c', '1, 1, diverged', '–', '–', '0.67 [0.09, 0.99]', '1'],
  ]
  assert '\n  c: 1 of 3 diverged' in printed
  assert '\nNo difference from a is shown by fd_pixels.' in printed
  assert f'launch.py report --root={root.path} --out=report.html' in printed
