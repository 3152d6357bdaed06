"""Every operation that is linear in its arguments has the derivatives of its plain form.

Penalties differentiate twice, so the transposes that an operation is given are asked for in its
second derivatives as well.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_jax.ops import channels, conv, depthwise, linear, pointwise, resample
from gan_jax.ops.window import Window


def draw(*shapes, seed=0):
  rng = np.random.default_rng(seed)
  return [jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in shapes]


IMAGES = (2, 6, 4, 3)
WINDOW = Window((6, 4), (3, 3), 2, ((1, 1), (0, 1)), 1)
EACH = WINDOW._replace(groups=3)
KERNEL, OUT = (3, 3, 3, 2), (2, *WINDOW.outputs, 2)
OWN, EACH_OUT = (3, 3, 3), (2, *WINDOW.outputs, 3)

# Operation, its plain form, its static part, shapes of its arguments.
OPERATIONS = {
  'up': (resample._up, resample._up_by_all_shifts, None, [IMAGES]),
  'down': (resample._down, resample._down_by_all_shifts, None, [IMAGES]),
  'pointwise': (pointwise._forward, pointwise._product, None, [IMAGES, (3, 5)]),
  'pointwise at images': (
    *(pointwise._input_gradient, pointwise._product_at_images, None),
    [(*IMAGES[:3], 5), (3, 5)],
  ),
  'pointwise at matrix': (
    *(pointwise._matrix_gradient, pointwise._product_at_matrix, None),
    [IMAGES, (*IMAGES[:3], 5)],
  ),
  'sum': (channels._sum, channels._plain_sum, (2, IMAGES), [IMAGES]),
  'repeat': (channels._repeat, channels._repeated, (2, IMAGES), [(2, 3)]),
  'conv': (conv._forward, conv._forward_plain, WINDOW, [IMAGES, KERNEL]),
  'conv at images': (conv._input_gradient, conv._input_gradient_plain, WINDOW, [OUT, KERNEL]),
  'conv at kernel': (conv._weight_gradient, conv._weight_gradient_plain, WINDOW, [IMAGES, OUT]),
  'depthwise': (depthwise._forward, depthwise._grouped, EACH, [IMAGES, OWN]),
  'depthwise at images': (
    *(depthwise._input_gradient, depthwise._grouped_input_gradient, EACH),
    [EACH_OUT, OWN],
  ),
  'depthwise at kernel': (
    *(depthwise._kernel_gradient, depthwise._grouped_kernel_gradient, EACH),
    [IMAGES, EACH_OUT],
  ),
}


def qualified(value):
  return getattr(value, '__qualname__', '')


def test_every_operation_is_here():
  """What `define` makes in the modules of `ops` is among those whose derivatives are looked at."""
  here = {id(operation) for operation, *_ in OPERATIONS.values()}
  for module in (channels, conv, depthwise, pointwise, resample):
    made = [
      value for value in vars(module).values() if qualified(value) == qualified(conv._forward)
    ]
    assert made
    assert {id(each) for each in made} <= here


def close(found, expected):
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4), found, expected)


def derivatives(operation, static, arguments, seed):
  """The value, the slopes of a cubic of it, and the slopes of the length of those."""

  def cubic(*arguments):
    y = operation(static, *arguments)
    (weights,) = draw(y.shape, seed=seed)
    return jnp.vdot(weights, y + y**3 / 3)

  places = tuple(range(len(arguments)))
  slopes = jax.grad(cubic, places)

  def length(*arguments):
    return sum(jnp.sum(jnp.square(slope)) for slope in slopes(*arguments))

  of_all = lambda *at: (operation(static, *at), slopes(*at), jax.grad(length, places)(*at))
  return jax.jit(of_all)(*arguments)


@pytest.mark.parametrize('name', OPERATIONS)
def test_values_slopes_and_slopes_of_slopes_are_those_of_the_plain_form(name):
  operation, plain, static, shapes = OPERATIONS[name]
  arguments = [x / 2 for x in draw(*shapes)]
  found, expected = (derivatives(each, static, arguments, 1) for each in (operation, plain))
  scale = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(expected[2]))
  close(found[:2], expected[:2])
  close(jax.tree.map(lambda x: x / scale, found[2]), jax.tree.map(lambda x: x / scale, expected[2]))


@pytest.mark.parametrize('name', OPERATIONS)
def test_the_way_back_is_the_adjoint_of_the_way_there(name):
  """⟨T x, y⟩ = ⟨x, T* y⟩ in each argument, with the others held."""
  operation, _, static, shapes = OPERATIONS[name]
  arguments = draw(*shapes)

  @jax.jit
  def both(*arguments):
    value, pull_back = jax.vjp(lambda *at: operation(static, *at), *arguments)
    (y,) = draw(value.shape, seed=2)
    return jnp.vdot(value, y), [
      jnp.vdot(x, back) for x, back in zip(arguments, pull_back(y), strict=True)
    ]

  there, back = both(*arguments)
  np.testing.assert_allclose(back, np.full(len(back), there), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize('name', ['up', 'down', 'sum', 'conv', 'depthwise', 'pointwise'])
def test_under_vmap_an_argument_that_is_not_mapped_has_the_sum_of_the_slopes(name):
  operation, _, static, shapes = OPERATIONS[name]
  images, *others = shapes
  xs, *held = draw((3, *images), *others)
  term = lambda x, *at: jnp.sum(operation(static, x, *at) ** 2)
  mapped = jax.vmap(term, (0, *[None] * len(held)))
  places = tuple(range(1 + len(held)))
  found = jax.jit(jax.grad(lambda *at: mapped(*at).sum(), places))(xs, *held)
  singly = [jax.jit(jax.grad(term, places))(x, *held) for x in xs]
  close(found[0], jnp.stack([each[0] for each in singly]))
  close(found[1:], jax.tree.map(lambda *s: sum(s), *[each[1:] for each in singly]))


def test_outside_of_a_program_an_operation_is_compiled_once():
  lowered = []

  def twice(_, x):
    lowered.append(x.shape)
    return 2 * x

  double = linear.define('double', lambda _, x: x.shape, twice, transposes=(twice,))
  xs = draw((2, 3), (2, 3), (4, 3))
  for x in xs:
    np.testing.assert_array_equal(double(None, x), 2 * x)
  assert lowered == [(2, 3), (4, 3)]


PADS = st.tuples(st.integers(0, 2), st.integers(0, 2))
WINDOWS = st.builds(
  Window,
  st.tuples(st.integers(1, 9), st.integers(1, 9)),
  st.tuples(st.integers(1, 4), st.integers(1, 4)),
  st.integers(1, 3),
  st.tuples(PADS, PADS),
  st.sampled_from([1, 2]),
)


@settings(max_examples=8, deadline=None, derandomize=True)
@given(WINDOWS.filter(lambda window: min(window.outputs) > 0), st.sampled_from([1, 2, 5]))
def test_any_window_convolves_as_xla_does_in_value_and_both_gradients(window, each):
  groups = window.groups
  shapes = [(2, *window.inputs, each * groups), (*window.kernel, each, 2 * groups)]
  x, w = draw(*shapes)
  (g,) = draw((2, *window.outputs, 2 * groups), seed=1)
  for ours, plain, at in (
    (conv._forward_cpu, conv._forward_plain, (x, w)),
    (conv._input_gradient_cpu, conv._input_gradient_plain, (g, w)),
    (conv._weight_gradient_cpu, conv._weight_gradient_plain, (x, g)),
  ):
    np.testing.assert_allclose(ours(window, *at), plain(window, *at), rtol=1e-3, atol=1e-3)
