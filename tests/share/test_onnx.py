"""ONNX models, run by onnxruntime: operation by operation against JAX, and every architecture."""

import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from gan_jax import export
from gan_jax.errors import UserError
from gan_jax.share import folder, onnx_model
from gan_jax.share.onnx_model import tracing
from tests.sampling import drawn

_HERE = all(map(importlib.util.find_spec, ('onnx', 'onnxruntime')))
needed = pytest.mark.skipif(not _HERE, reason='onnx and onnxruntime are not installed')
B = tracing.BATCH


def run(model, **given):
  import onnxruntime

  session = onnxruntime.InferenceSession(model, providers=['CPUExecutionProvider'])
  (found,) = session.run(None, given)
  return found


def conv(**how):
  kernel = np.random.default_rng(1).standard_normal((3, 2, 4 // how.get('groups', 1), 8))
  groups = how.pop('groups', 1)
  return lambda x: lax.conv_general_dilated(
    x,
    kernel.astype(np.float32),
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
    feature_group_count=groups,
    **{'window_strides': (1, 1), 'padding': ((1, 1), (0, 1)), **how},
  )


# Of x [B, 6, 5, 4].
OPERATIONS = {
  'convolution': conv(),
  'in groups, strided': conv(groups=2, window_strides=(2, 1)),
  'dilated': conv(rhs_dilation=(1, 2)),
  'negative padding': conv(padding=((-1, 2), (0, -1))),
  'zeros between': conv(lhs_dilation=(2, 2), padding=((1, 2), (1, 1))),
  'zeros between, in groups': conv(lhs_dilation=(2, 3), groups=2, padding=((0, 1), (1, 0))),
  'zeros between, beyond the kernel': conv(lhs_dilation=(2, 1), padding=((4, 3), (2, 0))),
  'padding between': lambda x: lax.pad(
    x, np.float32(3), ((0, 0, 0), (1, 2, 2), (-1, 0, 1), (0, 0, 0))
  ),
  'product': lambda x: x @ np.arange(12, dtype=np.float32).reshape(4, 3),
  'products of a batch': lambda x: jnp.einsum('bhwc,bhvc->bhwv', x, jnp.tanh(x)),
  'largest of windows': lambda x: lax.reduce_window(
    x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), 'VALID'
  ),
  'softmax': lambda x: jax.nn.softmax(x.reshape(len(x), -1)),
  'norms': lambda x: x * lax.rsqrt(jnp.mean(x**2, axis=(1, 2), keepdims=True) + 1e-6),
  'parts': lambda x: jnp.concatenate([x[:, ::-1, 1:4:2], x[:, :, :2]], axis=2),
  'stacks': lambda x: jnp.stack([*jnp.unstack(x, axis=3)][::-1], axis=1),
  'splits': lambda x: jnp.concatenate(jnp.split(x, [1, 3], axis=3)[::-1], axis=3),
  'the batch within a size': lambda x: (x.reshape(-1, 4) + 1).reshape(x.shape).swapaxes(1, 3),
  'what is new to the batch': lambda x: jnp.zeros((len(x), 3)) + x.mean(axis=(1, 2, 3))[:, None],
  'choices': lambda x: jnp.where(x > 0, jnp.clip(x, 0.1, 0.5), x**3 - jnp.abs(x)),
  'functions': lambda x: jax.nn.gelu(x) + jax.nn.silu(x) + jnp.sqrt(jnp.square(x)) + jnp.sin(x),
}


@needed
@pytest.mark.parametrize('name', OPERATIONS)
def test_operations_give_what_they_give_in_jax(name):
  function = OPERATIONS[name]
  shape = jax.ShapeDtypeStruct((B, 6, 5, 4), np.float32)
  model = onnx_model.converted(function, [shape], ['x'], 'y')
  for count in (1, 3):
    x = np.random.default_rng(count).standard_normal((count, 6, 5, 4)).astype(np.float32)
    found = run(model, x=x)
    np.testing.assert_allclose(found, np.asarray(function(x)), rtol=1e-4, atol=1e-5)


def test_a_function_is_its_operations_in_order_with_calls_taken_apart_and_constants_known():
  weights = jnp.linspace(-1, 1, 12).reshape(4, 3)
  called = jax.jit(lambda x: jnp.tanh(x @ jnp.cos(weights)))
  function = lambda x: jax.nn.relu(called(x)) + called(2 * x)
  traced = tracing.trace(function, [jax.ShapeDtypeStruct((B, 4), np.float32)])
  x = np.random.default_rng(0).standard_normal((B, 4)).astype(np.float32)
  values = {traced.inputs[0]: x, **traced.known}
  for one in traced.operations:
    own = [values[each] if isinstance(each, int) else each for each in one.inputs]
    values[one.outputs[0]] = one.primitive.bind(*own, **one.parameters)
  np.testing.assert_allclose(values[traced.output], function(x), rtol=1e-5, atol=1e-6)
  names = [one.name for one in traced.operations]
  assert (names.count('tanh'), names.count('dot_general')) == (2, 2)
  assert 'cos' not in names, 'it depends on nothing that is given'


def test_a_loop_is_an_operation_of_its_own_and_not_what_it_does_once():
  thrice = lambda x: lax.fori_loop(0, 3, lambda _, c: 2 * c + 1, x)
  shapes = [jax.ShapeDtypeStruct((B, 4), np.float32)]
  assert [one.name for one in tracing.trace(thrice, shapes).operations] == ['scan']
  of_constants = tracing.trace(lambda x: x + thrice(jnp.arange(4.0)), shapes)
  assert 'scan' not in [one.name for one in of_constants.operations]
  (known,) = of_constants.known.values()
  np.testing.assert_array_equal(np.ravel(known), [7, 15, 23, 31])


def test_what_is_given_and_what_is_of_the_batchs_size_are_no_constants():
  function = lambda x, share: jnp.ones((len(x), 3)) + jnp.tanh(2 * share) * x[:, :1]
  shapes = [jax.ShapeDtypeStruct(shape, np.float32) for shape in ((B, 4), ())]
  traced = tracing.trace(function, shapes)
  assert 'tanh' in [one.name for one in traced.operations]
  assert not [value for value in traced.known.values() if B in np.shape(value)]


@needed
@pytest.mark.parametrize('name', drawn.MODULES)
def test_every_architecture_makes_the_same_images(name):
  size = {'fastgan': (64, 64), 'biggan': (32, 32)}.get(name, (16, 16))
  model = drawn.model(name, size, 3)
  made = onnx_model.generator(model.generator, model.variables, model.dtype)
  latents, labels = model.latents(5), np.arange(5, dtype=np.int32) % 3
  given = {'latents': latents, 'labels': labels, 'truncation': np.array(0.7, np.float32)}
  found = run(made, **given)
  expected = model.images(latents, labels, truncation=0.7, fixed_noise=True)
  assert found.dtype == np.uint8
  assert np.abs(found.astype(int) - expected).max() <= 1  # halves may be rounded otherwise
  assert np.mean(found != expected) < 1e-3
  np.testing.assert_array_equal(
    run(made, **{k: v[:1] if v.ndim else v for k, v in given.items()}), found[:1]
  )


@needed
@pytest.mark.parametrize(('channels', 'dtype'), [(1, 'uint16'), (4, 'uint8')])
def test_sixteen_bits_and_transparency(channels, dtype):
  model = drawn.model('dcgan', (16, 32), channels, np.dtype(dtype), classes=0)
  made = onnx_model.generator(model.generator, model.variables, model.dtype)
  latents = model.latents(2)
  zero = np.zeros(2, np.int32)
  found = run(made, latents=latents, labels=zero, truncation=np.array(1, np.float32))
  assert found.dtype == dtype
  assert np.abs(found.astype(int) - model.images(latents)).max() <= 1 + (dtype == 'uint16') * 6


@needed
def test_the_file_tells_that_images_are_synthetic_and_have_one_noise():
  import onnxruntime

  model = drawn.model('dcgan')
  made = onnx_model.generator(model.generator, model.variables, model.dtype)
  session = onnxruntime.InferenceSession(made, providers=['CPUExecutionProvider'])
  told = session.get_modelmeta().custom_metadata_map
  assert told == {'about': 'images are synthetic', 'noise': 'the same for all images'}


@needed
def test_what_is_not_known_is_named():
  shape = jax.ShapeDtypeStruct((B, 4), np.float32)
  with pytest.raises(UserError, match='ONNX: the operation sort of this network is not known'):
    onnx_model.converted(lambda x: jnp.sort(x), [shape], ['x'], 'y')
  with pytest.raises(UserError, match='ONNX: the operation scan of this network is not known'):
    onnx_model.converted(lambda x: lax.fori_loop(0, 3, lambda _, c: 2 * c, x), [shape], ['x'], 'y')
  with pytest.raises(UserError, match=f'multiples of {B}'):
    tracing.check_sizes([4, 2 * B])


@needed
def test_the_exported_folder_holds_it_and_the_card_runs_it(finished, tmp_path, monkeypatch):
  out = tmp_path / 'shared'
  export.export(finished[0], str(out), onnx=True)
  text = (out / folder.CARD).read_text()
  code = [block.split('```')[0] for block in text.split('```python\n')[1:]][-1]
  monkeypatch.chdir(out)
  found = {}
  exec(code, found)
  assert found['images'].shape == (16, 16, 16, 1)


@pytest.mark.skipif(_HERE, reason='onnx is installed')
def test_the_package_that_is_missing_is_named(finished, tmp_path):
  with pytest.raises(UserError, match=r'--onnx: needs a package; pip install "onnx>=1\.19,<2"'):
    export.export(finished[0], str(tmp_path / 'shared'), onnx=True)
  assert not (tmp_path / 'shared').exists()
