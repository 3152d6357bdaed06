"""A grown network is at first the smaller one: images upsampled, logits of halved images."""

import functools

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from configs import default
from gan_jax.errors import UserError
from gan_jax.models import dcgan, growing, r3gan, stylegan2
from gan_jax.ops import resample
from gan_jax.training import growing as players
from gan_jax.training import optim

LATENT, CLASSES, BATCH = 8, 3, 4
LABELS = jnp.arange(BATCH) % CLASSES
# Module, side, settings of the smaller network, of one that grew once, and of one that did twice.
NETWORKS = {
  'dcgan': (
    *(dcgan, 16, {'width': 8, 'discriminator_norm': 'none'}),
    *({'width': 4, 'grown_stages': 1}, {'width': 2, 'grown_stages': 2}),
  ),
  'dcgan of batches': (
    *(dcgan, 16, {'width': 8, 'discriminator_condition': 'concatenation'}),
    *({'width': 4, 'grown_stages': 1}, {'width': 2, 'grown_stages': 2}),
  ),
  'r3gan': (
    *(r3gan, 16, {'widths': (8, 8, 8), 'group_size': 8, 'blocks': 1}),
    *({'widths': (8, 8, 8, 8)}, {'widths': (8, 8, 8, 8, 4)}),
  ),
  'narrower r3gan': (
    *(r3gan, 16, {'widths': (16, 8, 8), 'group_size': 4, 'blocks': 1}),
    *({'widths': (16, 8, 8, 6)}, {'widths': (16, 8, 8, 6, 4)}),
  ),
  'stylegan2': (
    *(stylegan2, 8, {'channel_base': 64, 'w_size': 8, 'mapping_layers': 2}),
    *({'grown_stages': 1}, {'grown_stages': 2}),
  ),
  'skipping stylegan2': (
    *(stylegan2, 8, {'channel_base': 64, 'w_size': 8, 'discriminator_architecture': 'skip'}),
    *({}, {}),
  ),
}


def network(module, player, side, settings):
  """A network and the call that runs it on variables and inputs."""
  made = getattr(module, player)
  common = {'channels': 3, 'num_classes': CLASSES}
  if player == 'Generator':
    common['latent_size'] = LATENT
  own = {k: v for k, v in settings.items() if k in made.__dataclass_fields__}
  return made(side, **common, **own)


def fresh(net, player, side, seed):
  x = jnp.zeros((BATCH, LATENT) if player == 'Generator' else (BATCH, side, side, 3))
  return jax.jit(lambda: net.init(jax.random.key(seed), x, LABELS, train=False))()


def trained(variables):
  """Variables of which nothing is still zero."""
  rng = np.random.default_rng(0)
  move = lambda x: np.asarray(x + 0.2 * rng.random(x.shape), np.float32)
  return jax.tree.map(move, variables)


@pytest.fixture(scope='module', params=NETWORKS)
def family(request):
  """Functions that grow a player of a smaller pair, and that run it at a size; the smaller side."""
  module, side, before, *after = NETWORKS[request.param]
  settings = [before, *({**before, **each} for each in after)]
  small = {}
  for player in ('Generator', 'Discriminator'):
    small[player] = trained(fresh(network(module, player, side, before), player, side, 1))

  @functools.cache
  def program(player, doublings, train=False):
    """What a player makes of its variables and inputs after it grew so often, compiled."""
    net = network(module, player, side << doublings, settings[doublings])

    @jax.jit
    def run(variables, x):
      mutable = [name for name in variables if name != 'params']
      return net.apply(variables, x, LABELS, train=train, mutable=mutable)[0]

    return run

  @functools.cache
  def drawn_at(player, doublings):
    large = side << doublings
    net = network(module, player, large, settings[doublings])
    return net, jax.device_get(fresh(net, player, large, 2))

  @functools.cache
  def grown(player, doublings, start=0):
    """The grown network, its variables as drawn and as grown, the report, and what it was."""
    net, drawn = drawn_at(player, doublings)
    old = small[player]
    if start:
      old = trained(grown(player, start)[2])
    source = players.Source(player.lower(), jax.device_get(old), doublings - start)
    result, report, _ = players.grow(drawn, source, growing.RULES[module.__name__.split('.')[-1]])
    return net, drawn, result, report, old

  return grown, program, side


@pytest.mark.parametrize('doublings', [1, 2])
def test_images_are_the_smaller_ones_upsampled(family, doublings):
  grown, program, _ = family
  _, _, variables, _, old = grown('Generator', doublings)
  z = jax.random.normal(jax.random.key(3), (BATCH, LATENT))
  expected = program('Generator', 0)(old, z)
  for _ in range(doublings):
    expected = resample.upsample(expected)
  scale = np.abs(expected).max()
  found = program('Generator', doublings)(variables, z)
  np.testing.assert_allclose(found, expected, atol=3e-6 * scale)


@pytest.mark.parametrize(('doublings', 'train'), [(1, True), (2, False)])
def test_logits_are_the_smaller_ones_of_downsampled_images(family, doublings, train):
  grown, program, side = family
  _, _, variables, _, old = grown('Discriminator', doublings)
  large = side << doublings
  images = jax.random.uniform(jax.random.key(3), (BATCH, large, large, 3), minval=-1)
  halved = images
  for _ in range(doublings):
    halved = resample.downsample(halved)
  expected = program('Discriminator', 0, train)(old, halved)
  found = program('Discriminator', doublings, train)(variables, images)
  np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('player', ['Generator', 'Discriminator'])
def test_what_has_grown_grows_again(family, player):
  grown, program, side = family
  _, _, variables, _, old = grown(player, 2, start=1)
  before, after = program(player, 1), program(player, 2)
  if player == 'Generator':
    z = jax.random.normal(jax.random.key(3), (BATCH, LATENT))
    expected, found = resample.upsample(before(old, z)), after(variables, z)
  else:
    images = jax.random.uniform(jax.random.key(3), (BATCH, 4 * side, 4 * side, 3), minval=-1)
    expected, found = before(old, resample.downsample(images)), after(variables, images)
  np.testing.assert_allclose(found, expected, rtol=1e-4, atol=3e-6 * np.abs(expected).max())


@pytest.mark.parametrize('player', ['Generator', 'Discriminator'])
def test_every_array_is_taken_or_new_and_every_new_one_is_soon_trained(family, player):
  """Zero may stand in the way of a gradient for some updates, not for all."""
  grown, _, side = family
  net, drawn, variables, report, old = grown(player, 2)
  leaves = lambda tree: {
    '/'.join(k): v for k, v in players.traverse_util.flatten_dict(tree).items()
  }
  taken = {*report.loaded, *report.remapped}
  assert {*taken, *report.new} == set(leaves(drawn))
  assert not taken & set(report.new)
  folded = any('made of' in how for how in report.new.values())
  assert len(taken) == len(leaves(old)) - folded
  assert sum(leaves(variables)[path].size for path in taken) / sum(
    leaf.size for leaf in leaves(drawn).values()
  ) == pytest.approx(report.share)
  large = 4 * side
  x = jax.random.normal(jax.random.key(4), (BATCH, LATENT))
  if player == 'Discriminator':
    x = jax.random.normal(jax.random.key(4), (BATCH, large, large, 3))
  others = {k: v for k, v in variables.items() if k != 'params'}

  @jax.jit
  def step(params):
    def value(params):
      result = net.apply({'params': params, **others}, x, LABELS, train=True, mutable=list(others))[
        0
      ]
      draw = jax.random.normal(jax.random.key(5), result.shape)
      return (result * draw).sum()

    grads = jax.grad(value)(params)
    return jax.tree.map(lambda p, g: p - 0.01 * jnp.sign(g), params, grads)

  params = variables['params']
  for _ in range(4):
    params = step(params)
  before, after = leaves({'params': variables['params']}), leaves({'params': params})
  still = [path for path in before if np.array_equal(before[path], after[path])]
  assert not still


@pytest.mark.parametrize('name', NETWORKS)
@pytest.mark.parametrize(('start', 'end'), [(0, 1), (0, 2), (1, 2)])
def test_growing_takes_the_settings_with_which_these_networks_begin_as_the_smaller(
  name, start, end
):
  module, _, before, *after = NETWORKS[name]
  section = module.__name__.split('.')[-1]
  plain = default.get_config()[section].to_dict()
  full = [{**plain, **before, **each} for each in ({}, *after)]
  needed = growing.RULES[section].settings(full[start], full[end], end - start)
  assert needed == {key: full[end][key] for key in needed}


def test_other_stages_are_refused_by_name():
  module, side, before, after, _ = NETWORKS['r3gan']
  net = network(module, 'Generator', side, before)
  old = fresh(net, 'Generator', side, 1)
  wider = network(module, 'Generator', 2 * side, {**before, **after, 'expansion': 4})
  source = players.Source('generator', jax.device_get(old), 1)
  with pytest.raises(UserError, match=r'generator/params/stages/stage0_block0/.* there is \[') as e:
    players.grow(
      jax.device_get(fresh(wider, 'Generator', 2 * side, 2)), source, growing.RULES['r3gan']
    )
  assert '\n' not in str(e.value)


@pytest.mark.parametrize('side', [3, 4])
def test_what_growing_makes_of_another_shape_is_refused_by_name(side):
  made = {'params/image': np.ones((2, 3), np.float32)}
  rule = growing.Rule(None, lambda *_: growing.Begun({}, made))
  drawn = {'params': {'image': np.zeros((2, side), np.float32)}}
  source = players.Source('generator', {'params': {}}, 1)
  if side == 3:
    np.testing.assert_array_equal(players.grow(drawn, source, rule)[0]['params']['image'], 1)
    return
  said = r'^generator/params/image is \[2, 4\] here: growing makes \[2, 3\] of'
  with pytest.raises(UserError, match=said):
    players.grow(drawn, source, rule)


def adam(beta1, beta2):
  constant = lambda value: optim.cosine(value, None, 0)
  return optim.adam(optim.Adam(constant(1e-2), beta1, constant(beta2)))


def updated(tx, params, state, grads, steps):
  """Sizes of the updates of each step, and the state after them."""
  sizes = []
  for _ in range(steps):
    updates, state = jax.jit(tx.update)(grads, state, params)
    params = optax.apply_updates(params, updates)
    sizes.append(jax.tree.map(lambda x: float(jnp.abs(x).mean() / 1e-2), updates))
  return sizes, state


@pytest.mark.parametrize(('beta1', 'beta2'), [(0.5, 0.999), (0.0, 0.99), (0.9, 0.999)])
def test_moments_go_on_and_new_weights_take_steps_of_usual_length(beta1, beta2):
  old = {'b': np.ones(3, np.float32), 'a': np.ones((2, 2), np.float32)}
  tx = adam(beta1, beta2)
  grads = {'b': np.full(3, 0.5, np.float32), 'a': np.full((2, 2), 2.0, np.float32)}
  _, state = updated(tx, old, tx.init(old), grads, 25)
  new = {'0': np.ones(5, np.float32), 'a': old['a'], 'c': old['b']}
  names = {'a': 'a', 'c': 'b'}
  betas = players.Betas(beta1, beta2)
  made = players.carry_moments(tx.init(new), new, state._asdict(), old, names, (betas, betas))
  assert made.count == 1
  _, unravel = jax.flatten_util.ravel_pytree(new)
  first, second = unravel(made.mu), unravel(made.nu)
  # What Adam makes of them, its bias taken off, is the mean gradient and its mean square.
  for name, gradient in (('a', 2.0), ('c', 0.5)):
    np.testing.assert_allclose(first[name] / (1 - beta1), gradient, rtol=1e-3)
    np.testing.assert_allclose(second[name] / (1 - beta2), gradient**2, rtol=1e-3)
  assert not first['0'].any()
  assert not second['0'].any()
  then = {'0': np.full(5, 7.0, np.float32), 'a': grads['a'], 'c': grads['b']}
  sizes, _ = updated(tx, new, made, then, 50)
  for step in sizes:
    assert step['a'] == pytest.approx(1, rel=1e-3)
    assert step['c'] == pytest.approx(1, rel=1e-3)
    assert 0.5 < step['0'] < 1.5


def test_an_optimiser_that_never_ran_gives_nothing():
  params = {'a': np.ones(2, np.float32)}
  tx = adam(0.5, 0.9)
  state = tx.init(params)
  betas = players.Betas(0.5, 0.9)
  assert (
    players.carry_moments(state, params, state._asdict(), params, {'a': 'a'}, (betas, betas))
    is state
  )
