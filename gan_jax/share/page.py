"""A page that draws with a generator in a browser: one file, opened from a disk, no server.

Within it are the ONNX model, onnxruntime-web and its WebAssembly, compressed by gzip, as base64:
beside a page that was opened from a disk nothing can be fetched. Its policy lets it ask nobody for
anything. What it does stands in `gan_jax/pages/draw`.
"""

import base64
import gzip
from typing import Any

import markupsafe

from gan_jax import pages
from gan_jax.data import limits
from gan_jax.errors import UserError
from gan_jax.sampling import about as marks
from gan_jax.share import card
from gan_jax.share.web_runtime import Runtime

MOST_BYTES = 150 * 10**6
"""Of a model: 137 MB were tried; with 289 MB Chromium had not opened the page after two minutes."""

_MOST_PICTURES = 64
_AT_FIRST = {64: 32, 128: 16, 256: 6}  # pictures, by the longest side up to which
_ELSE = 2


def check(weights: int) -> None:
  """Raises UserError for a generator with more values than a page can hold."""
  if 4 * weights > MOST_BYTES:
    raise UserError(
      f'--page: the generator has {4 * weights / 1e6:,.0f} MB; accepted: up to '
      f'{MOST_BYTES / 1e6:.0f}, as browsers open no longer pages; --onnx writes the model alone'
    )


def page(about: card.About, model: bytes, runtime: Runtime, noisy: bool) -> str:
  """The page, as HTML.

  Args:
    about: the model, as its card has it.
    model: ONNX, as `onnx_model.generator` writes it.
    runtime: runs it.
    noisy: the generator adds noise, which is the same for all pictures in ONNX.
  """
  truncation = 'of the way of w from its mean' if about.truncates else 'times the latent'
  parts = {'script': runtime.script, 'module': runtime.module, 'binary': runtime.binary}
  return pages.render(
    'draw.html',
    title=about.name,
    what=card.summary(about),
    warning=limits.first_line(about.dataset).removeprefix('! '),
    limits=card.limits_of(about),
    data=str(about.dataset.get('full_name') or about.dataset.get('name', 'unknown')),
    data_licence=about.data_licence or card.NO_DATA_LICENCE,
    licence=about.licence or card.NO_LICENCE,
    truncation='the share of the way of w from its mean' if about.truncates else 'a factor on z',
    depth='16 bits' if about.dtype == 'uint16' else '8 bits',
    noisy=noisy,
    most=_MOST_PICTURES,
    runtime=runtime.version,
    mit=pages.text_of('draw/onnxruntime.txt'),
    about=_for_script(about, truncation, noisy),
    parts={name: _packed(data) for name, data in {**parts, 'model': model}.items()},
  )


def _for_script(about: card.About, truncation: str, noisy: bool) -> dict[str, Any]:
  height, width, channels = about.shape
  longest = max(height, width)
  recipe = {'Model': about.architecture, 'Run': about.name, 'Images shown': str(about.images)}
  return {
    **{'name': about.name, 'height': height, 'width': width, 'channels': channels},
    'latent': about.latent_size,
    'classes': [card.class_name(about, label) for label in range(about.num_classes)],
    'count': next((count for side, count in _AT_FIRST.items() if longest <= side), _ELSE),
    'truncation': truncation,
    'synthetic': marks.SYNTHETIC,
    'recipe': recipe,
    'remarks': {
      **({'Noise': 'the same for all pictures'} if noisy else {}),
      'Limits of use': limits.text(about.dataset),
      'Licence of the data': about.data_licence or card.NO_DATA_LICENCE,
      'Licence of the weights': about.licence or card.NO_LICENCE,
    },
    'xmp': marks.xmp(recipe).decode(),
  }


def _packed(data: bytes) -> markupsafe.Markup:
  """Gzip as base64, in which nothing is markup; the same bytes give the same text."""
  return markupsafe.Markup(base64.b64encode(gzip.compress(data, mtime=0)).decode())
