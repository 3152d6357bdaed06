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
from gan_jax.exploring import projecting, saving
from gan_jax.exploring import recipe as recipes
from gan_jax.exploring.gallery import Gallery
from gan_jax.exploring.painter import Painter
from gan_jax.exploring.recipe import Recipe
from gan_jax.exploring.worker import BusyError, Worker

_MOST_JSON = 2**20  # bytes of a request
_MOST_PICTURE = 2**26  # bytes of a file with an image
_FIELDS = 'model', 'directions_of', 'recipes'
T = TypeVar('T')


class Explorer:
  """Answers requests; see `routes`."""

  def __init__(self, gallery: Gallery):
    """Starts two threads: one that opens models and draws, and one for what takes longer."""
    self._gallery = gallery
    self._drawing, self._projecting = Worker(), Worker()

  def close(self) -> None:
    """Ends the threads; what waits is not done."""
    self._drawing.close()
    self._projecting.close()

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
        Route('/api/directions/{place:int}', self._directions, methods=['GET']),
        Route('/api/draw', self._draw, methods=['POST']),
        Route('/api/save', self._save, methods=['POST']),
        Route('/api/open/{place:int}', self._open, methods=['POST']),
        Route('/api/belonging/{place:int}/{name:str}', self._belonging),
        Route('/api/directions/{place:int}', self._load, methods=['POST']),
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

  async def _directions(self, request: Request) -> Response:
    place = request.path_params['place']

    def find() -> list[dict[str, Any]]:
      found = self._gallery.painter(place).directions
      return [
        {'name': name, 'share': None if np.isnan(share) else float(share)}
        for name, share in zip(found.names, found.shares, strict=True)
      ]

    return JSONResponse(await self._done(request, find))

  async def _draw(self, request: Request) -> Response:
    asked = await _json(request)

    def draw() -> list[str]:
      painter, read = self._asked(asked)
      of = self._gallery.painter(_place(asked, 'directions_of', asked.get('model', 0)))
      return [_address(image) for image in painter.draw(read, of)]

    return JSONResponse({'images': await self._done(request, draw)})

  async def _save(self, request: Request) -> Response:
    asked = await _json(request)
    save = lambda: saving.file_of(*self._asked(asked), self._gallery)
    return Response(await self._done(request, save), media_type='image/png')

  async def _open(self, request: Request) -> Response:
    """A file: pictures by the recipes in it, or projected."""
    place, name = request.path_params['place'], request.query_params.get('name', 'the image')
    data = await body(request, _MOST_PICTURE)

    painter = await self._done(request, lambda: self._gallery.painter(place))

    def find() -> dict[str, Any]:
      read = saving.opened(data, painter, self._gallery)
      if read is not None:
        return {'recipes': [recipes.written(each) for each in read]}
      found = projecting.project(painter, name[: recipes.LONGEST_NAME], data)
      return {
        'projection': self._gallery.keep(found.projected),
        'class': found.projected.label,
        'images': [_address(found.given), _address(found.found)],
        'text': found.text,
      }

    return JSONResponse(await self._done(request, find, self._projecting))

  async def _belonging(self, request: Request) -> Response:
    """Whether a projected image lies outside what the model knows."""
    place, name = request.path_params['place'], request.path_params['name']
    painter = await self._done(request, lambda: self._gallery.painter(place))
    find = lambda: projecting.belonging(painter, self._gallery.projected(name))
    return JSONResponse({'text': await self._done(request, find, self._projecting)})

  async def _load(self, request: Request) -> Response:
    """Directions out of a file."""
    place, name = request.path_params['place'], request.query_params.get('name', 'the file')
    data = await body(request, _MOST_PICTURE)
    load = lambda: self._gallery.load(place, data, name[: recipes.LONGEST_NAME])
    return JSONResponse({'names': await self._done(request, load)})

  def _asked(self, asked: dict[str, Any]) -> tuple[Painter, list[Recipe]]:
    """Who is to draw, and what."""
    painter = self._gallery.painter(_place(asked, 'model', 0))
    return painter, recipes.read_all(asked.get('recipes'), painter.model.num_classes)

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
    }

  async def _done(self, request: Request, work: Callable[[], T], worker: Worker | None = None) -> T:
    """Has work done in its turn."""
    future = (worker or self._drawing).submit(request.state.who, work)
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


async def _json(request: Request) -> dict[str, Any]:
  asked = recipes.loads(await body(request, _MOST_JSON))
  if not isinstance(asked, dict) or not set(asked) <= set(_FIELDS):
    raise UserError(f'the request: accepted: an object of {", ".join(_FIELDS)}')
  return asked


def _place(asked: dict[str, Any], name: str, default: Any) -> int:
  place = asked.get(name, default)
  if isinstance(place, bool) or not isinstance(place, int):
    raise UserError(f'{name}: accepted: the number of a model')
  return place


def _address(image: np.ndarray) -> str:
  return f'data:image/png;base64,{base64.b64encode(saving.thumbnail(image)).decode()}'


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
