"""Functions of JAX, and generators, as serialised ONNX models."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from gan_jax.share import program
from gan_jax.share.onnx_model import operations, tracing
from gan_jax.share.onnx_model.graph import OPSET, Graph, package

_VERSION = 9  # of the file format, which readers of some years know
INPUTS, OUTPUT = ('latents', 'labels', 'truncation'), 'images'


def generator(network: nn.Module, variables: Any, dtype: Any) -> bytes:
  """Writes a generator: latents `[B, z]`, labels `[B]`, truncation `[]` to images `[B, H, W, C]`.

  It is what `program.function` computes, with the weights in it. Noise within a generator is the
  same for all images, as it is for films.

  Args:
    network: the generator.
    variables: its own, on the host.
    dtype: of the images.

  Raises:
    UserError: for an operation that is not known here, or where `onnx` is not installed.
  """
  if hasattr(network, 'fixed_noise'):
    network = network.clone(fixed_noise=True)
  size: Any = network.latent_size
  run = program.function(network, dtype)
  weights = jax.tree.map(jnp.asarray, program.flat(variables))
  shape = jax.ShapeDtypeStruct
  arguments = (
    shape((tracing.BATCH, size), np.float32),
    shape((tracing.BATCH,), np.int32),
    shape((), np.float32),
  )
  tracing.check_sizes([size, *(n for x in weights.values() for n in np.shape(x))])
  about = {'about': 'images are synthetic', 'noise': 'the same for all images'}
  return converted(lambda *given: run(weights, *given), arguments, INPUTS, OUTPUT, about)


def converted(
  function: Callable[..., jax.Array],
  arguments: Sequence[jax.ShapeDtypeStruct],
  inputs: Sequence[str],
  output: str,
  about: Mapping[str, str] | None = None,
) -> bytes:
  """Writes a function of arrays with one result, and constants in it.

  Args:
    function: of JAX.
    arguments: shapes and types; `tracing.BATCH` stands for a size that is free.
    inputs: their names; the first one's first size is the batch.
    output: name of the result.
    about: texts that the file carries, by name.

  Raises:
    UserError: see `generator`.
  """
  onnx = package()
  graph = Graph(inputs[0])
  traced = tracing.trace(function, arguments)
  names = dict(zip(traced.inputs, inputs, strict=True))

  def name(value: Any) -> str:
    if not isinstance(value, int):
      return graph.constant(value)
    return names[value] if value in names else graph.constant(traced.known[value])

  for one in traced.operations:
    own = [name(value) for value in one.inputs]
    names |= zip(one.outputs, operations.write(graph, one, own), strict=True)
  graph.add('Identity', name(traced.output))
  graph.nodes[-1].output[0] = output
  tensor = onnx.helper.make_tensor_value_info
  sizes = lambda each: ['batch' if n == tracing.BATCH else n for n in each.shape]
  made = onnx.helper.make_graph(
    graph.nodes,
    'gan_jax',
    [
      tensor(given, graph.kind(each.dtype), sizes(each))
      for given, each in zip(inputs, arguments, strict=True)
    ],
    [tensor(output, graph.kind(traced.result.dtype), sizes(traced.result))],
    [onnx.numpy_helper.from_array(x, name) for name, x in graph.constants.items()],
  )
  model = onnx.helper.make_model(
    made, producer_name='gan_jax', opset_imports=[onnx.helper.make_opsetid('', OPSET)]
  )
  model.ir_version = _VERSION
  onnx.helper.set_model_props(model, dict(about or {}))
  onnx.checker.check_model(model)
  return model.SerializeToString()
