"""A generator as an ONNX model, out of JAX's own operations: weights within, for any batch size.

`tracing` lists the operations of a function and computes those of its constants;
`operations` says each of the others in ONNX; `graph` holds the nodes.
"""

from gan_jax.share.onnx_model.graph import package
from gan_jax.share.onnx_model.model import converted, generator

__all__ = ['converted', 'generator', 'package']
