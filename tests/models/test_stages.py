"""Every network in bfloat16, or with activations computed again, is nearly or just the same."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UserError
from gan_jax.models import biggan, dcgan, fastgan, r3gan, resnet, stylegan2

LATENT, CLASSES, BATCH = 12, 3, 4
LABELS = jnp.arange(BATCH) % CLASSES
# Module, image side, stages, settings of both players, of the generator, of the discriminator.
NETWORKS = {
  'dcgan': (dcgan, 16, 2, {'width': 4}, {}, {'discriminator_norm': 'spectral'}),
  'resnet': (resnet, 16, 2, {'width': 4}, {}, {}),
  'biggan': (biggan, 32, 3, {'width': 4, 'attention': 16}, {}, {'discriminator_width': 4}),
  'stylegan2': (
    *(stylegan2, 16, 3, {'channel_base': 64, 'clamp': 256.0}),
    *({'w_size': 8, 'mapping_layers': 2}, {'deviation_group': 2}),
  ),
  'r3gan': (r3gan, 16, 3, {'widths': (16, 16, 16)}, {}, {}),
  'fastgan': (fastgan, 32, 3, {'width': 4}, {}, {}),
}


@pytest.fixture(scope='module', params=NETWORKS)
def case(request):
  """Both players, their variables, stages, and a function that runs them otherwise set."""
  module, side, stages, both, of_g, of_d = NETWORKS[request.param]
  latents = jax.random.normal(jax.random.key(0), (BATCH, LATENT))
  generator = module.Generator(side, 3, LATENT, CLASSES, **both, **of_g)
  network = module.Discriminator(side, 3, CLASSES, **both, **of_d)
  # Not as in training, of which more than the weights would be left to compile.
  init = lambda net, x: jax.jit(lambda: net.init(jax.random.key(1), x, LABELS, train=False))()
  variables = init(generator, latents), init(network, jnp.zeros((BATCH, side, side, 3)))
  if request.param == 'r3gan':  # whose blocks begin as nothing
    draw = lambda x: 0.1 * jax.random.normal(jax.random.key(2), x.shape)
    variables = jax.tree.map(lambda x: x if x.any() else draw(x), variables)
  # Attention and noise begin as nothing.
  variables = jax.tree.map(lambda x: jnp.full_like(x, 0.5) if x.shape == () else x, variables)

  @functools.cache
  def run(**options):
    """What is made and its gradient, and how often the program computes something again."""
    made, judge = generator.clone(**options), network.clone(**options)

    def value(params):
      apply = lambda net, i, x: net.apply(
        {**variables[i], 'params': params[i]}, x, LABELS, train=True, mutable=True
      )
      images, moved_g = apply(made, 0, latents)
      logits, moved_d = apply(judge, 1, images)
      logits = logits['logits'] if isinstance(logits, dict) else logits
      moved = [{k: v for k, v in m.items() if k != 'params'} for m in (moved_g, moved_d)]
      return logits.sum(), (images, logits, moved)

    params = tuple(each['params'] for each in variables)
    traced = jax.jit(jax.value_and_grad(value, has_aux=True)).trace(params)
    (_, aux), gradient = traced.lower().compile()(params)
    return aux, gradient, str(traced.jaxpr).count('remat')

  return request.param, stages, run


def first_stage(run):
  """In bfloat16 and computed again, in one program."""
  return run(bfloat16_stages=1, remat_stages=1)


def test_computing_activations_again_changes_nothing(case):
  _, stages, run = case
  (plain, gradient, _), (again, same_gradient, _) = run(), run(remat_stages=stages)
  near = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * (1 + np.abs(b).max()))
  jax.tree.map(near, again, plain)
  jax.tree.map(near, same_gradient, gradient)


@pytest.mark.parametrize('all_stages', [False, True])
def test_bfloat16_is_near_with_weights_and_results_in_float32(case, all_stages):
  _, stages, run = case
  plain, gradient, _ = run()
  found = run(bfloat16_stages=stages) if all_stages else first_stage(run)
  (images, logits, moved), low_gradient, _ = found
  for leaf in jax.tree.leaves((images, logits, moved, low_gradient)):
    assert leaf.dtype == jnp.float32
  for low, whole in ((images, plain[0]), (logits, plain[1])):
    assert 0 < np.abs(low - whole).max() < 0.1 * np.abs(whole).max()
  flat = lambda tree: np.concatenate([np.ravel(x) for x in jax.tree.leaves(tree)])
  low, whole = flat(low_gradient), flat(gradient)
  assert low @ whole > 0.9 * np.linalg.norm(low) * np.linalg.norm(whole)


def test_activations_of_the_stages_that_are_computed_again_are_not_kept(case):
  name, stages, run = case
  none, one, each = (found[2] for found in (run(), first_stage(run), run(remat_stages=stages)))
  assert none == 0
  assert 0 < one < each, name


@pytest.mark.parametrize('setting', ['bfloat16_stages', 'remat_stages'])
@pytest.mark.parametrize('number', [-1, 9])
def test_more_stages_than_there_are_are_refused(case, setting, number):
  name, _, run = case
  said = rf'^config\.{name}\.{setting}={number}: accepted: 0 to \d, the number of stages'
  with pytest.raises(UserError, match=said):
    run(**{setting: number})


def features(program):
  """Side and type of whatever has the form of images in a program, and in those within it."""
  for equation in program.eqns:
    for variable in equation.outvars:
      shape = getattr(variable.aval, 'shape', ())
      if len(shape) == 4 and shape[0] == BATCH and shape[1] == shape[2]:
        yield shape[1], str(variable.aval.dtype)
    for value in equation.params.values():
      inner = getattr(value, 'jaxpr', value)
      if hasattr(inner, 'eqns'):
        yield from features(inner)


@pytest.mark.parametrize('name', ['dcgan', 'r3gan'])
@pytest.mark.parametrize('player', ['Generator', 'Discriminator'])
def test_bfloat16_is_of_the_stages_next_to_the_image_alone(name, player):
  module, side, _, both, *_ = NETWORKS[name]
  options = {'num_classes': CLASSES, 'bfloat16_stages': 1, **both}
  x = jnp.zeros((BATCH, LATENT))
  if player == 'Generator':
    options['latent_size'] = LATENT
  else:
    x = jnp.zeros((BATCH, side, side, 3))
  network = getattr(module, player)(resolution=side, channels=3, **options)
  run = lambda: network.init_with_output(jax.random.key(0), x, LABELS, train=False)[0]
  found = set(features(jax.make_jaxpr(run)().jaxpr))
  assert (side, 'bfloat16') in found
  assert (4, 'float32') in found
  assert not [each for each, dtype in found if each < side // 2 and dtype == 'bfloat16']
