"""What the page asks for, answered: its files, models, drawings, files to be saved, projections."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import numpy as np
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from gan_jax import pages
from gan_jax.errors import NonFiniteError, UserError
from gan_jax.exploring import recipe as recipes
from gan_jax.exploring.gallery import Gallery
from gan_jax.exploring.saving import file_of, thumbnail
from gan_jax.exploring.worker import BusyError, Worker

_MOST_JSON = 2**20  # bytes of a request
T = TypeVar('T')


class Explorer:
  """Answers requests; see `routes`."""

  def __init__(self, gallery: Gallery, worker: Worker):
    """Takes the models and what works for all."""
    self._gallery, self._worker = gallery, worker

  def application(self) -> Starlette:
    """The server's application, without its guard."""
    answers: dict[Any, Any] = {
      UserError: lambda request, error: _refused(str(error), 400),
      NonFiniteError: lambda request, error: _refused(str(error), 422),
      BusyError: lambda request, error: _refused('too much is asked for at once; try again', 503),
      HTTPException: lambda request, error: _refused(error.detail, error.status_code),
      Exception: _failed,
    }
    files = StaticFiles(directory=pages.FOLDER / 'explore')
    return Starlette(
      routes=[
        Route('/', self._page),
        Route('/base.{kind:str}', _base),
        Mount('/explore', files),
        Route('/api/models', self._models),
        Route('/api/model/{place:int}', self._model),
        Route('/api/draw', self._draw, methods=['POST']),
        Route('/api/save', self._save, methods=['POST']),
      ],
      exception_handlers=answers,
    )

  async def _page(self, request: Request) -> Response:
    title = f'Explore {self._title(0)}'
    return HTMLResponse(pages.render('explore.html', title=title, most=recipes.MOST_PICTURES))

  async def _models(self, request: Request) -> Response:
    entries = self._gallery.entries
    return JSONResponse([{'title': self._title(place)} for place in range(len(entries))])

  async def _model(self, request: Request) -> Response:
    place = request.path_params['place']
    return JSONResponse(await self._done(request, lambda: self._about(place)))

  async def _draw(self, request: Request) -> Response:
    asked = await _json(request, ('model', 'recipes'))

    def draw() -> list[str]:
      painter = self._gallery.painter(_place(asked))
      read = recipes.read_all(asked.get('recipes'), painter.model.num_classes)
      return [_address(image) for image in painter.draw(read)]

    return JSONResponse({'images': await self._done(request, draw)})

  async def _save(self, request: Request) -> Response:
    asked = await _json(request, ('model', 'recipes'))

    def save() -> bytes:
      painter = self._gallery.painter(_place(asked))
      read = recipes.read_all(asked.get('recipes'), painter.model.num_classes)
      return file_of(painter, read)

    return Response(await self._done(request, save), media_type='image/png')

  def _title(self, place: int) -> str:
    entry = self._gallery.entries[place]
    shown = '' if entry.images is None else f', {entry.images:,} images'
    return f'{entry.path}{shown}'

  def _about(self, place: int) -> dict[str, Any]:
    """What the page needs to know of a model."""
    model = (painter := self._gallery.painter(place)).model
    classes = list(model.class_names) or list(map(str, range(model.num_classes)))
    height, width = model.resolution
    return {
      'title': self._title(place),
      'about': str(model),
      **{'height': height, 'width': width, 'alpha': model.channels == 4},
      'classes': classes,
      'truncation': 'of w towards its mean' if model.has_mean else 'a factor on the latent',
      'layers': [len(group) for group in painter.layers()] if painter.has_layers else [],
      'directions': [],
    }

  async def _done(self, request: Request, work: Callable[[], T], long: bool = False) -> T:
    """Has work done in its turn."""
    future = self._worker.submit(request.state.who, work, long)
    waited: Awaitable[T] = asyncio.wrap_future(future)
    return await waited


async def body(request: Request, most: int) -> bytes:
  """Reads a request's body, and nothing of one that is too large.

  Raises:
    HTTPException: for more bytes than `most`, said or sent.
  """
  refusal = HTTPException(413, f'more than {most / 2**20:g} MB are not taken')
  said = request.headers.get('content-length', '0')
  if not said.isdecimal() or int(said) > most:
    raise refusal
  data = bytearray()
  async for chunk in request.stream():
    if len(data) + len(chunk) > most:
      raise refusal
    data += chunk
  return bytes(data)


async def _json(request: Request, accepted: tuple[str, ...]) -> dict[str, Any]:
  asked = recipes.loads(await body(request, _MOST_JSON))
  if not isinstance(asked, dict) or not set(asked) <= set(accepted):
    raise UserError(f'the request: accepted: an object of {", ".join(accepted)}')
  return asked


def _place(asked: dict[str, Any]) -> int:
  place = asked.get('model', 0)
  if isinstance(place, bool) or not isinstance(place, int):
    raise UserError('model: accepted: its number')
  return place


def _address(image: np.ndarray) -> str:
  return f'data:image/png;base64,{base64.b64encode(thumbnail(image)).decode()}'


async def _base(request: Request) -> Response:
  kinds = {'css': 'text/css', 'js': 'text/javascript'}
  kind = request.path_params['kind']
  if kind not in kinds:
    raise HTTPException(404)
  return PlainTextResponse(pages.text_of(f'base.{kind}'), media_type=kinds[kind])


def _refused(text: str, status: int) -> Response:
  headers = {'Connection': 'close'} if status == 413 else {}  # the rest of it is not waited for
  return JSONResponse({'error': text}, status, headers)


async def _failed(request: Request, error: Exception) -> Response:
  """A fault of ours, which the server writes to the terminal; it goes on."""
  return _refused('a fault; the terminal says more', 500)
