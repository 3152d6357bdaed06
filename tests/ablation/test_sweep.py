import pytest

from configs import smoke
from gan_jax import build
from gan_jax.ablation import plan, sweep
from gan_jax.ablation.sweep import Budget, Sweep
from gan_jax.errors import UserError


def a_sweep(variants=None, **settings):
  settings = {'baseline': 'plain', 'budget': Budget(images=192), **settings}
  base = settings.pop('base', None) or smoke.get_config()
  return Sweep('Which?', base, variants or {'plain': {}}, **settings)


def test_a_grid_has_every_combination():
  found = sweep.grid({'loss.name': ['hinge', 'wasserstein'], 'r1.weight': [0.5, 1.0, 2.0]})
  assert len(found) == 6
  assert found['loss.name=hinge, r1.weight=2'] == {'loss.name': 'hinge', 'r1.weight': 2.0}


def test_an_axis_may_have_settings_with_names():
  found = sweep.grid({'size': {'small': {'dcgan.width': 8}}, 'loss': {'a': {}, 'b': {'seed': 1}}})
  assert found == {'small, a': {'dcgan.width': 8}, 'small, b': {'dcgan.width': 8, 'seed': 1}}


def test_zip_goes_along_its_axes_together():
  found = sweep.zip({'train.batch_size': [8, 16], 'r1.weight': [1.0, 0.5]})
  assert list(found.values()) == [
    {'train.batch_size': 8, 'r1.weight': 1.0},
    {'train.batch_size': 16, 'r1.weight': 0.5},
  ]
  with pytest.raises(UserError, match='different lengths'):
    sweep.zip({'a': [1], 'b': [1, 2]})


def test_changes_make_one_config_out_of_another():
  base, other = smoke.get_config(), smoke.get_config()
  other.loss.name, other.regularisers, other.train.images = 'hinge', ('r1',), 64
  found = sweep.changes(base, other)
  assert set(found) == {'loss.name', 'regularisers', 'train.images'}
  both = a_sweep({'plain': {}, 'other': found}, base=base)
  other.train.images = 192  # the budget's
  assert sweep.changes(both.config('other', 0), other).keys() <= {'evaluate.halves'}
  assert sweep.changes(base, base) == {}


def test_a_chain_has_all_and_refuses_two_of_one_name():
  assert list(sweep.chain({'a': {}}, {'b': {'seed': 1}})) == ['a', 'b']
  with pytest.raises(UserError, match="two different variants are called 'a'"):
    sweep.chain({'a': {}}, {'a': {'seed': 1}})


def test_one_at_a_time_changes_one_thing_each():
  found = sweep.one_at_a_time(
    {'hinge': {'loss.name': 'hinge'}, 'with R1': {'regularisers+': 'r1'}},
    baseline='plain',
    common={'regularisers+': 'r2'},
  )
  configs = {n: a_sweep(found).config(n, 0) for n in found}
  assert {n: (c.loss.name, c.regularisers) for n, c in configs.items()} == {
    'plain': ('nonsaturating', ('r2',)),
    'hinge': ('hinge', ('r2',)),
    'with R1': ('nonsaturating', ('r2', 'r1')),
  }


def test_leave_one_out_has_the_whole_and_the_whole_without_each():
  parts = {'R1': {'regularisers+': 'r1'}, 'R2': {'regularisers+': 'r2'}, 'flip': {'seed': 7}}
  found = sweep.leave_one_out(parts)
  kept = {n: a_sweep(found, baseline='all').config(n, 0).regularisers for n in found}
  assert kept == {
    'all': ('r1', 'r2'),
    'without R1': ('r2',),
    'without R2': ('r1',),
    'without flip': ('r1', 'r2'),
  }
  common = {'loss.name': 'hinge', 'regularisers+': 'lecam'}
  found = sweep.leave_one_out(parts, 'whole', common)
  assert list(found) == ['whole', 'without R1', 'without R2', 'without flip']
  configs = [a_sweep(found, baseline='whole').config(name, 0) for name in found]
  assert {config.loss.name for config in configs} == {'hinge'}
  assert [set(config.regularisers) - {'lecam'} for config in configs] == [
    *({'r1', 'r2'}, {'r2'}, {'r1'}, {'r1', 'r2'})
  ]
  assert all('lecam' in config.regularisers for config in configs)


def test_a_name_is_taken_out_of_a_tuple():
  base = smoke.get_config()
  base.regularisers = ('r1', 'r2')
  config = a_sweep({'plain': {'regularisers-': 'r1'}}, base=base).config('plain', 0)
  assert config.regularisers == ('r2',)


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'loss.nmae': 'hinge'}, "variant 'plain': loss.nmae: there is no such key"),
    ({'los.name': 'hinge'}, 'there is no such key'),
    ({'seed.x': 1}, 'there is no such key'),
    ({'regularisers-': 'r1'}, r"'r1' is not in \(\)"),
    ({'loss.name+': 'r1'}, 'is no tuple'),
    ({'train.batch_size': 'many'}, "train.batch_size='many'"),
  ],
)
def test_an_override_that_cannot_be_is_refused_by_variant_and_key(changes, message):
  with pytest.raises(UserError, match=message):
    a_sweep({'plain': changes}).config('plain', 0)


@pytest.mark.parametrize(
  ('settings', 'message'),
  [
    ({'baseline': 'plian'}, "did you mean 'plain'"),
    ({'seeds': ()}, 'variants and seeds'),
    ({'seeds': (0, 0)}, 'different ones'),
    ({'budget': Budget()}, 'one of images, steps and seconds'),
    ({'budget': Budget(images=10, steps=2)}, 'one of images, steps and seconds'),
    ({'budget': Budget(images=-10)}, 'above 0'),
    ({'end': 'bset'}, "did you mean 'best'"),
    ({'score': 'fd_inception_v3'}, 'best_score'),
  ],
)
def test_a_sweep_that_cannot_be_is_refused(settings, message):
  with pytest.raises(UserError, match=message):
    plan.plan('tiny', a_sweep(**settings))


def test_a_variant_that_no_run_can_have_is_refused_by_its_name_before_anything_runs():
  with pytest.raises(UserError, match=r"variant 'odd': config\.loss\.name"):
    plan.plan('tiny', a_sweep({'plain': {}, 'odd': {'loss.name': 'hnige'}}))


def test_a_budget_of_steps_is_the_same_number_of_updates_whatever_the_batch():
  variants = {'plain': {}, 'large': {'train.batch_size': 64}, 'twice': {'train.d_steps': 2}}
  found = a_sweep(variants, budget=Budget(steps=10))
  configs = {n: found.config(n, 0) for n in variants}
  assert [c.train.images for c in configs.values()] == [160, 640, 320]
  steps = {n: c.train.images / build.images_per_step(c) for n, c in configs.items()}
  assert set(steps.values()) == {10}


@pytest.mark.parametrize('end', sweep.ENDS)
def test_every_run_scores_both_halves_so_that_the_best_checkpoint_can_be_asked_for_later(end):
  made = a_sweep(end=end)
  assert made.config('plain', 0).evaluate.halves
  assert made.config_of_base().evaluate.halves


def test_a_budget_of_seconds_ends_by_the_clock():
  config = a_sweep(budget=Budget(seconds=90)).config('plain', 0)
  assert config.train.seconds == 90
  build.check(config)


def test_variants_that_come_to_the_same_are_one_run_and_seeds_are_the_outer_loop():
  variants = {'plain': {}, 'same': {'loss.name': 'nonsaturating'}, 'hinge': {'loss.name': 'hinge'}}
  made = plan.plan('tiny', a_sweep(variants, seeds=(3, 4)))
  assert [(run.variant, run.seed) for run in made.runs[:4]] == [
    ('plain', 3),
    ('same', 3),
    ('hinge', 3),
    ('plain', 4),
  ]
  assert len(made.distinct) == 4
  assert made.changes('same') == {}
  assert made.changes('hinge') == {'loss.name': ('nonsaturating', 'hinge')}


def test_the_same_run_of_two_sweeps_has_one_key():
  first = plan.plan('a', a_sweep({'plain': {}, 'x': {'loss.name': 'hinge'}}, seeds=(0,)))
  second = plan.plan('b', a_sweep({'plain': {'loss.name': 'hinge'}}, seeds=(0, 1)))
  keys = lambda made, name: {run.seed: run.key for run in made.runs if run.variant == name}
  assert keys(first, 'x')[0] == keys(second, 'plain')[0] != keys(second, 'plain')[1]
