import jax
import jax.numpy as jnp
import pytest

from gan_jax.ops import conv, counting
from gan_jax.ops.depthwise import depthwise
from gan_jax.ops.pointwise import pointwise

X = jnp.zeros((2, 8, 6, 5))


def total(function, *arguments):
  return sum(counting.multiply_adds(jax.make_jaxpr(function)(*arguments)).values())


@pytest.mark.parametrize(
  ('function', 'arguments', 'expected'),
  [
    (jnp.matmul, (jnp.zeros((3, 4)), jnp.zeros((4, 7))), 3 * 4 * 7),
    (
      lambda x, k: jax.lax.conv_general_dilated(
        x, k, (1, 1), 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NHWC')
      ),
      (X, jnp.zeros((3, 3, 5, 4))),
      2 * 8 * 6 * 9 * 5 * 4,
    ),
    (
      lambda x, k: conv.conv(x, k, stride=2, padding=1),
      (X, jnp.zeros((4, 4, 5, 3))),
      2 * 4 * 3 * 16 * 5 * 3,
    ),
    (
      lambda x, k: conv.conv_transpose(x, k, stride=2, padding=1),
      (X, jnp.zeros((4, 4, 3, 5))),
      2 * 8 * 6 * 16 * 5 * 3,
    ),
    (
      lambda x, k: depthwise(x, k, padding=1),
      (X, jnp.zeros((3, 3, 5))),
      2 * 8 * 6 * 9 * 5,
    ),
    (pointwise, (X, jnp.zeros((5, 4))), 2 * 8 * 6 * 5 * 4),
  ],
)
def test_products_and_convolutions_are_counted_and_three_times_with_both_gradients(
  function, arguments, expected
):
  assert total(function, *arguments) == expected
  both = jax.grad(lambda *at: jnp.square(function(*at)).sum(), (0, 1))
  assert total(both, *arguments) == 3 * expected


def test_rounds_of_a_loop_count_and_the_costliest_branch():
  a, b = jnp.zeros((3, 3)), jnp.zeros((3, 3))
  loop = lambda a, b: jax.lax.scan(lambda x, _: (x @ b, None), a, None, length=5)
  assert total(loop, a, b) == 5 * 27
  branches = lambda a, b: jax.lax.cond(a[0, 0] > 0, lambda: a @ b @ b, lambda: a @ b)
  assert total(branches, a, b) == 2 * 27


@pytest.mark.parametrize('costly', [True, False])
def test_the_costliest_branch_is_that_of_most_products_whatever_they_are_called(costly):
  def several(a, b):
    with jax.named_scope('many'):
      return a @ b @ b

  def one(a, b):
    with jax.named_scope('one'):
      return a @ b

  first, second = (several, one) if costly else (one, several)
  branches = lambda a, b: jax.lax.cond(a[0, 0] > 0, first, second, a, b)
  found = counting.multiply_adds(jax.make_jaxpr(branches)(*[jnp.zeros((3, 3))] * 2))
  assert list(found.values()) == [2 * 27]
  assert 'many' in next(iter(found))


def test_nothing_is_counted_of_sums():
  assert total(lambda x: x + jnp.sin(x).sum(), X) == 0
