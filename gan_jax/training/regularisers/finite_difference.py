"""What approximate R1 and R2 share: a change of the logits along noise, in place of a gradient."""

import jax
import jax.numpy as jnp

from gan_jax.training.judging import Judged
from gan_jax.training.view import DiscriminatorView


def squared_slopes(
  view: DiscriminatorView, judged: Judged, epsilon: float, one_in: int
) -> jax.Array:
  """½ ((D(x + εn) − D(x)) / ε)², n ~ N(0, I), whose mean tends to ½‖∇D(x)‖² (arXiv:2509.24935).

  It takes first derivatives alone. Neither logit is held constant; both are of the same draw of the
  augmentation.

  Args:
    view: of the regulariser.
    judged: reals or fakes.
    epsilon: ε, on the scale of images in [−1, 1].
    one_in: of how many examples one is looked at.

  Returns:
    `[B / one_in]`, summed over the logits of an example.
  """
  some = judged.one_in(one_in)
  noise = view.normal_like(some)
  moved = jax.tree.map(lambda x, n: x + epsilon * n, some.images, noise)
  # float32: the difference of two logits that are nearly the same.
  change = view.judge(moved, some).astype(jnp.float32) - some.logits.astype(jnp.float32)
  return jnp.sum(jnp.square(change / epsilon).reshape(len(change), -1), axis=1) / 2
