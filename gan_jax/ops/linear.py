"""Operations that are linear in each argument, as primitives with a form for each platform.

`jax.lax.platform_dependent` traces the forms of all platforms wherever an operation occurs, and so
again in each derivative. A primitive is traced by its shape alone, and lowered once in the form of
the platform at hand. Its derivatives are operations again, by rules that the operation is given.
"""

import contextlib
import contextvars
import functools
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

Operation: TypeAlias = Callable[..., jax.Array]
_Axes: TypeAlias = tuple[int | None, ...]
_PLAIN = contextvars.ContextVar('plain', default=False)


@contextlib.contextmanager
def plain_forms() -> Iterator[None]:
  """Within it operations are traced in their plain form, of JAX's own operations alone.

  That form is right on every platform and knows no size of the batch: what a program needs that is
  to be run elsewhere, without this package.
  """
  token = _PLAIN.set(True)
  try:
    yield
  finally:
    _PLAIN.reset(token)


def by_platform(*arguments: Any, tpu: Callable[..., Any], plain: Callable[..., Any]) -> Any:
  """What one of two functions makes of trees of arrays: that for TPUs, or that for all others.

  Chosen when a program is lowered, as the forms of operations are. Both functions are traced: it is
  for what occurs a few times in a program. Within `plain_forms` there is the plain one alone.
  """
  if _PLAIN.get():
    return plain(*arguments)
  return jax.lax.platform_dependent(*arguments, tpu=tpu, default=plain)


def define(
  name: str,
  shape: Callable[..., tuple[int, ...]],
  plain: Operation,
  transposes: tuple[Operation, ...],
  cpu: Operation | None = None,
  tpu: Operation | None = None,
) -> Operation:
  """Makes an operation out of its forms and its transposes.

  All functions take first the static part of a call, hashable, then arrays. The result has the type
  of the first array.

  Args:
    name: of the primitive, as programs show it.
    shape: `(static, *arrays) -> shape of the result`; reads the arrays' shapes alone.
    plain: the form for every platform that has none of its own.
    transposes: one for each array: `(static, cotangent, *the other arrays) -> cotangent of it`.
    cpu: the form for CPUs.
    tpu: the form for TPUs.

  Returns:
    `operation(static, *arrays)`, differentiable forwards and backwards to any order; under `jit`,
    `vmap`, `pmap`, `scan` and `checkpoint`. Arrays of unlike shardings under an explicit mesh are
    not provided for.
  """
  primitive = Primitive(name)

  def operation(static: Any, *arrays: jax.Array) -> jax.Array:
    if _PLAIN.get():
      return plain(static, *arrays)
    return primitive.bind(*arrays, static=static, maps=())

  def abstract(*arrays: Any, static: Any, maps: tuple[_Axes, ...]) -> Any:
    sizes: list[int] = []
    for axes in maps:  # the outermost first; mapped axes lie in front
      pairs = list(zip(arrays, axes, strict=True))
      sizes.append(next(x.shape[0] for x, axis in pairs if axis == 0))
      arrays = tuple(x if axis is None else x.update(shape=x.shape[1:]) for x, axis in pairs)
    return arrays[0].update(shape=(*sizes, *shape(static, *arrays)), weak_type=False)

  def mapped(form: Operation) -> Operation:
    def run(*arrays: jax.Array, static: Any, maps: tuple[_Axes, ...]) -> jax.Array:
      function = functools.partial(form, static)
      for axes in reversed(maps):
        function = jax.vmap(function, axes)
      return function(*arrays)

    return run

  def batch(arrays: Any, axes: Any, *, static: Any, maps: tuple[_Axes, ...]) -> Any:
    front = [
      x if axis is None else jnp.moveaxis(x, axis, 0) for x, axis in zip(arrays, axes, strict=True)
    ]
    outermost = tuple(None if axis is None else 0 for axis in axes)
    return primitive.bind(*front, static=static, maps=(outermost, *maps)), 0

  def transpose(place: int, cotangent: Any, *others: Any, static: Any, maps: Any) -> Any:
    """The cotangent of the array at a place; that of one which is not mapped is summed."""
    if not maps:
      return transposes[place](static, cotangent, *others)
    axes, *inner = maps
    function = functools.partial(transpose, place, static=static, maps=inner)
    found = jax.vmap(function, (0, *axes[:place], *axes[place + 1 :]))(cotangent, *others)
    return found.sum(0) if axes[place] is None else found

  @functools.cache
  def compiled(static: Any, maps: tuple[_Axes, ...]) -> Callable[..., jax.Array]:
    return jax.jit(functools.partial(primitive.bind, static=static, maps=maps))

  primitive.def_impl(lambda *arrays, static, maps: compiled(static, maps)(*arrays))
  primitive.def_abstract_eval(abstract)
  batching.primitive_batchers[primitive] = batch
  mlir.register_lowering(primitive, mlir.lower_fun(mapped(plain), multiple_results=False))
  for platform, form in (('cpu', cpu), ('tpu', tpu)):
    if form is not None:
      rule = mlir.lower_fun(mapped(form), multiple_results=False)
      mlir.register_lowering(primitive, rule, platform=platform)
  if len(transposes) == 1:
    ad.deflinear2(primitive, lambda ct, x, **how: [transpose(0, ct, **how)])
  else:
    ad.defbilinear(
      primitive,
      lambda ct, x, y, **how: transpose(0, ct, y, **how),
      lambda ct, x, y, **how: transpose(1, ct, x, **how),
    )
  return operation


_Shape: TypeAlias = Callable[..., tuple[int, ...]]
_Shapes: TypeAlias = tuple[_Shape, _Shape, _Shape]
Forms: TypeAlias = tuple[Operation, Operation, Operation]
"""Of a convolution `(static, images, kernel)`, of its gradient at the images `(static, gradient,
kernel)`, and of that at the kernel `(static, images, gradient)`."""


def convolution(
  name: str, shapes: _Shapes, plain: Forms, cpu: Forms, tpu: Forms | None = None
) -> Forms:
  """Makes a convolution and its two gradients, each with the other two as its transposes.

  Args:
    name: of the convolution's primitive; those of the gradients begin with it.
    shapes: of the three results, each as `define` takes it.
    plain: the forms for every platform that has none of its own.
    cpu: the forms for CPUs.
    tpu: the forms for TPUs, where they are not the plain ones.

  Returns:
    Operations, as `define` makes them.
  """
  on_tpu = tpu or (None, None, None)
  forward = define(
    name,
    shapes[0],
    plain[0],
    cpu=cpu[0],
    tpu=on_tpu[0],
    transposes=(
      lambda static, dy, w: at_images(static, dy, w),
      lambda static, dy, x: at_kernel(static, x, dy),
    ),
  )
  at_images = define(
    f'{name}_input_gradient',
    shapes[1],
    plain[1],
    cpu=cpu[1],
    tpu=on_tpu[1],
    transposes=(
      lambda static, dx, w: forward(static, dx, w),
      lambda static, dx, g: at_kernel(static, dx, g),
    ),
  )
  at_kernel = define(
    f'{name}_weight_gradient',
    shapes[2],
    plain[2],
    cpu=cpu[2],
    tpu=on_tpu[2],
    transposes=(
      lambda static, dw, g: at_images(static, g, dw),
      lambda static, dw, x: forward(static, x, dw),
    ),
  )
  return forward, at_images, at_kernel


def gradients(
  forward: Operation, input_shape: _Shape, kernel_shape: _Shape
) -> tuple[Operation, Operation]:
  """The gradients of a plain convolution at images and kernel, as JAX has them.

  Args:
    forward: `(static, images, kernel)`.
    input_shape: `(static, gradient, kernel) -> shape of the images`.
    kernel_shape: `(static, images, gradient) -> shape of the kernel`.
  """

  def at_images(static: Any, g: jax.Array, w: jax.Array) -> jax.Array:
    x = jax.ShapeDtypeStruct(input_shape(static, g, w), g.dtype)
    (dx,) = jax.linear_transpose(lambda x: forward(static, x, w), x)(g)
    return dx

  def at_kernel(static: Any, x: jax.Array, g: jax.Array) -> jax.Array:
    w = jax.ShapeDtypeStruct(kernel_shape(static, x, g), x.dtype)
    (dw,) = jax.linear_transpose(lambda w: forward(static, x, w), w)(g)
    return dw

  return at_images, at_kernel
