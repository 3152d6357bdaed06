"""Where the label enters the networks, and where it does not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.errors import UserError
from gan_jax.models import dcgan, r3gan

LABELS = jnp.array([0, 1, 2])
OTHERS = jnp.array([0, 2, 2])  # the second differs
IMAGES = jax.random.normal(jax.random.key(5), (3, 16, 16, 2))
LATENTS = jax.random.normal(jax.random.key(6), (3, 8))
OPTIONS = {
  'batch': (dcgan, {'width': 8, 'discriminator_norm': 'batch'}),
  'none': (dcgan, {'width': 8, 'discriminator_norm': 'none'}),
  'spectral': (dcgan, {'width': 8, 'discriminator_norm': 'spectral'}),
  'r3gan': (r3gan, {'widths': (16, 8, 8), 'blocks': 1, 'group_size': 8}),
}
NORMS = ('batch', 'none', 'spectral')
PAIRED = [(name, 'projection') for name in OPTIONS] + [(name, 'concatenation') for name in NORMS]


def judge(name, condition, num_classes=3):
  """A discriminator of the options of that name."""
  model, options = OPTIONS[name]
  return model.Discriminator(
    16, 2, num_classes=num_classes, discriminator_condition=condition, **options
  )


def generate(condition, num_classes=3):
  return dcgan.Generator(16, 2, 8, num_classes, width=8, generator_condition=condition)


def shapes(module, x):
  return jax.eval_shape(lambda: module.init(jax.random.key(0), x, LABELS, train=False))


def draw(module, x):
  """Variables none of which are alike, whatever they are at first."""
  leaves, tree = jax.tree.flatten(shapes(module, x))
  keys = jax.random.split(jax.random.key(1), len(leaves))
  values = [0.2 * jax.random.normal(k, leaf.shape) for k, leaf in zip(keys, leaves, strict=True)]
  variables = jax.tree.unflatten(tree, values)
  if 'batch_stats' in variables:  # variances are positive
    variables['batch_stats'] = jax.tree.map(lambda x: jnp.abs(x) + 0.1, variables['batch_stats'])
  return variables


def run(module, variables, x, labels):
  return jax.jit(module.apply, static_argnames='train')(variables, x, labels, train=False)


def parameters(module, x):
  """Shapes by path."""
  leaves = jax.tree_util.tree_leaves_with_path(shapes(module, x)['params'])
  path = lambda keys: '/'.join(key.key for key in keys)
  return {path(keys): leaf.shape for keys, leaf in leaves}


@pytest.mark.parametrize(('name', 'condition'), PAIRED)
def test_a_logit_sees_its_own_label_alone(name, condition):
  module = judge(name, condition)
  variables = draw(module, IMAGES)
  before, after = (run(module, variables, IMAGES, labels) for labels in (LABELS, OTHERS))
  assert before.shape == (3,)
  np.testing.assert_array_equal(before[::2], after[::2])
  assert not np.isclose(before[1], after[1], rtol=1e-3)


@pytest.mark.parametrize(('name', 'condition'), PAIRED)
def test_what_a_label_changes_depends_on_the_image(name, condition):
  """A sum of a judgement of the image and one of the label would not tell a wrong pair."""
  module = judge(name, condition)
  variables = draw(module, IMAGES)
  first, second = (run(module, variables, IMAGES, jnp.full(3, label)) for label in (0, 1))
  changes = first - second
  assert np.ptp(changes) > 0.01 * np.abs(changes).max()


def test_a_projection_is_a_product_with_what_the_label_looks_up():
  module = judge('none', 'projection')
  variables = draw(module, IMAGES)

  def logits(times):
    params = {**variables['params'], 'projection': {'embedding': times * embedding}}
    return run(module, {**variables, 'params': params}, IMAGES, LABELS)

  embedding = variables['params']['projection']['embedding']
  nothing, once, thrice = (logits(times) for times in (0.0, 1.0, 3.0))
  assert np.isfinite(nothing).all()
  assert (np.abs(once - nothing) > 1e-4).all()
  np.testing.assert_allclose(thrice - nothing, 3 * (once - nothing), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize('name', OPTIONS)
def test_without_a_condition_the_label_plays_no_part(name):
  module = judge(name, 'none')
  variables = draw(module, IMAGES)
  logits = [run(module, variables, IMAGES, labels) for labels in (LABELS, OTHERS)]
  assert logits[0].shape == (3,)
  np.testing.assert_array_equal(*logits)
  assert parameters(module, IMAGES) == parameters(judge(name, 'none', 0), IMAGES)


@pytest.mark.parametrize('name', OPTIONS)
def test_a_classifier_judges_and_classifies_without_the_label(name):
  module = judge(name, 'classifier')
  variables = draw(module, IMAGES)
  results = [run(module, variables, IMAGES, labels) for labels in (LABELS, OTHERS)]
  jax.tree.map(np.testing.assert_array_equal, *results)
  assert jax.tree.map(jnp.shape, results[0]) == {'logits': (3,), 'class_logits': (3, 3)}
  # The logits are those of the network that has no classes.
  plain = judge(name, 'none', 0)
  kept = {
    kind: {key: tree[key] for key in shapes(plain, IMAGES)[kind]}
    for kind, tree in variables.items()
  }
  np.testing.assert_array_equal(run(plain, kept, IMAGES, LABELS), results[0]['logits'])
  assert parameters(module, IMAGES).items() > parameters(plain, IMAGES).items()


@pytest.mark.parametrize('name', OPTIONS)
def test_class_logits_are_differentiable_and_told_apart(name):
  module = judge(name, 'classifier')
  variables = draw(module, IMAGES)

  def loss(x):
    logits = module.apply(variables, x, LABELS, train=False)['class_logits']
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), LABELS[:, None], axis=1).sum()

  assert (jax.jit(jax.grad(loss))(IMAGES) != 0).any(axis=(1, 2, 3)).all()
  class_logits = run(module, variables, IMAGES, LABELS)['class_logits']
  assert len(np.unique(class_logits)) == class_logits.size


@pytest.mark.parametrize(
  ('name', 'condition', 'expected'),
  [
    # 16 features at the 4×4 level; embeddings of 32, of 64 in r3gan.
    ('none', 'projection', {'projection/embedding': (3, 16)}),
    (
      'none',
      'concatenation',
      {'embedding/embedding': (3, 32), 'conv2/kernel': (1, 1, 48, 16), 'bias2/bias': (16,)},
    ),
    (
      'batch',
      'concatenation',
      {
        'embedding/embedding': (3, 32),
        'conv2/kernel': (1, 1, 48, 16),
        'norm2/norm/scale': (16,),
        'norm2/norm/bias': (16,),
      },
    ),
    ('none', 'classifier', {'classes/kernel': (4, 4, 16, 3), 'classes_bias/bias': (3,)}),
    ('r3gan', 'projection', {'Embed_0/embedding': (3, 64), 'head/kernel': (16, 64)}),
    ('r3gan', 'classifier', {'classes/kernel': (16, 3), 'classes_bias/bias': (3,)}),
  ],
)
def test_a_condition_adds_these_parameters_and_no_other(name, condition, expected):
  plain = parameters(judge(name, condition, 0), IMAGES)
  conditional = parameters(judge(name, condition), IMAGES)
  assert conditional == {**plain, **expected}


@pytest.mark.parametrize('name', OPTIONS)
def test_networks_without_classes_are_the_same_whatever_the_condition(name):
  conditions = ('projection', 'none', 'classifier')
  trees = [shapes(judge(name, condition, 0), IMAGES) for condition in conditions]
  assert trees[0] == trees[1] == trees[2]
  generators = [shapes(generate(c, 0), LATENTS) for c in ('both', 'embedding', 'batch_norm')]
  assert generators[0] == generators[1] == generators[2]


@pytest.mark.parametrize('condition', ['embedding', 'batch_norm', 'both'])
def test_an_image_sees_its_own_label_alone(condition):
  module = generate(condition)
  variables = draw(module, LATENTS)
  before, after = (run(module, variables, LATENTS, labels) for labels in (LABELS, OTHERS))
  np.testing.assert_array_equal(before[::2], after[::2])
  assert np.abs(before[1] - after[1]).max() > 1e-3


def test_the_generator_has_the_parameters_of_the_ways_that_the_label_enters_by():
  plain = parameters(generate('both', 0), LATENTS)
  both = parameters(generate('both'), LATENTS)
  embedding = parameters(generate('embedding'), LATENTS)
  batch_norm = parameters(generate('batch_norm'), LATENTS)
  tables = {
    f'norm{level}/{table}/embedding': (3, width)
    for level, width in ((1, 8), (2, 16))
    for table in ('scale', 'shift')
  }
  affine = {name for name in plain if '/norm/' in name}
  beside_z = {'embedding/embedding': (3, 32), 'conv2/kernel': (4, 4, 16, 8 + 32)}
  assert embedding == {**plain, **beside_z}
  assert batch_norm == {**{n: s for n, s in plain.items() if n not in affine}, **tables}
  assert both == {**batch_norm, **beside_z}


@pytest.mark.parametrize('num_classes', [0, 3])
@pytest.mark.parametrize(
  ('module', 'key', 'value', 'accepted'),
  [
    (dcgan.Discriminator, 'discriminator_condition', 'ac', 'projection, concatenation'),
    (dcgan.Generator, 'generator_condition', 'none', 'embedding, batch_norm, both'),
    (r3gan.Discriminator, 'discriminator_condition', 'concatenation', 'projection, classifier'),
  ],
)
def test_an_unknown_condition_is_refused(num_classes, module, key, value, accepted):
  section = module.__module__.rpartition('.')[2]
  size = (8,) if module is dcgan.Generator else ()
  options = {} if section == 'dcgan' else OPTIONS['r3gan'][1]
  network = module(16, 2, *size, num_classes=num_classes, **{key: value}, **options)
  with pytest.raises(UserError, match=f"config.{section}.{key}='{value}': accepted: {accepted}"):
    shapes(network, LATENTS if size else IMAGES)
