"""Pages that open from a disk: everything is within, every text is escaped, nothing is fetched."""

import base64
import io
import json
import pathlib
from typing import Any

import jinja2
import markupsafe
import numpy as np
from PIL import Image

FOLDER = pathlib.Path(__file__).parent
_LOSSLESS_BYTES = 150_000  # a picture that takes more is compressed with loss
_QUALITY = 88


def render(template: str, **context: Any) -> str:
  """Fills a template of this folder; what is filled in shows as text, whatever it holds."""
  environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(FOLDER),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
  )
  environment.filters['as_script'] = as_script
  environment.globals['inlined'] = _inlined
  return environment.get_template(template).render(**context)


def picture(pixels: np.ndarray) -> str:
  """An address that holds the picture itself.

  Args:
    pixels: uint8 `[H, W, C]`, C of 1, 3 or 4.
  """
  shown = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
  file = io.BytesIO()
  image = Image.fromarray(np.ascontiguousarray(shown))
  image.save(file, format='PNG', optimize=True)
  kind = 'png'
  if file.tell() > _LOSSLESS_BYTES:
    file, kind = io.BytesIO(), 'webp'
    image.save(file, format='WEBP', quality=_QUALITY, method=4)
  return f'data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}'


def _inlined(name: str) -> markupsafe.Markup:
  return markupsafe.Markup(text_of(name))


def text_of(name: str) -> str:
  """A file of this folder as it is: our own style and script."""
  return (FOLDER / name).read_text(encoding='utf-8')


def as_script(value: Any) -> markupsafe.Markup:
  """JSON that can stand in a script element: nothing in it ends that."""
  text = json.dumps(value).replace('<', '\\u003c').replace('>', '\\u003e').replace('&', '\\u0026')
  return markupsafe.Markup(text)
