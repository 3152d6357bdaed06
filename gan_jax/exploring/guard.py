"""Who may talk to the page's server: a browser of this machine that was given the address.

Loopback alone is no lock: any site that a browser shows can send requests to it, or resolve a name
of its own to it (DNS rebinding). So Host and Origin have to be the server's own, and what opens the
page is a token out of the terminal, good for once, that becomes a cookie no other site sends along
and no script reads.
"""

import http
import secrets
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_BYTES = 32  # of a token
_POLICY = '; '.join(
  (
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'",
    "img-src 'self' data: blob:", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
  )
)  # fmt: skip
_HEADERS = {
  'Content-Security-Policy': _POLICY,
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cache-Control': 'no-store',
}


class Guard:
  """Stands before an application; what passes has `scope['state']['who']`, one for each cookie."""

  def __init__(self, app: ASGIApp, port: int, announce: Callable[[str], None]):
    """Announces the first address.

    Args:
      app: the application.
      port: that the server listens on.
      announce: is given an address that opens the page, the first one and, whenever one is used
        up, the next.
    """
    self._app, self._port, self._announce = app, port, announce
    self._hosts = {f'127.0.0.1:{port}', f'localhost:{port}'}
    self._cookie = f'explore_{port}'  # cookies of all ports of a host are in one jar
    self._known: set[str] = set()
    self._renew()

  async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
    """Passes a request on, or answers it with why not."""
    if scope['type'] != 'http':
      await self._app(scope, receive, send)
      return
    headers = Headers(scope=scope)
    given = ''
    refusal = self._strange(scope, headers)
    if refusal is None:
      who = cookie_parser(headers.get('cookie', '')).get(self._cookie, '')
      if who not in self._known and self._opens(scope):
        who = given = secrets.token_urlsafe(_BYTES)
        self._known.add(who)
        self._renew()
      if who in self._known:
        scope.setdefault('state', {})['who'] = who
      else:
        refusal = 403, 'This address is used up, or none; the terminal shows the newest one.'

    async def with_headers(message: Message) -> None:
      if message['type'] == 'http.response.start':
        said = MutableHeaders(scope=message)
        said.update(_HEADERS)
        if given:
          said.append('Set-Cookie', f'{self._cookie}={given}; HttpOnly; SameSite=Strict; Path=/')
      await send(message)

    if refusal is None:
      await self._app(scope, receive, with_headers)
      return
    status, text = refusal
    # What is still to come of the request is not waited for.
    answer = PlainTextResponse(text, status, {'Connection': 'close'})
    await answer(scope, receive, with_headers)

  def _renew(self) -> None:
    self._token = secrets.token_urlsafe(_BYTES)
    self._announce(f'http://127.0.0.1:{self._port}/?token={self._token}')

  def _opens(self, scope: Scope) -> bool:
    """Whether this is the page asked for with the token."""
    if scope['path'] != '/' or scope['method'] != 'GET':
      return False
    found = QueryParams(scope['query_string']).get('token', '')
    return secrets.compare_digest(found.encode(), self._token.encode())

  def _strange(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
    """What is wrong with where a request goes or comes from, as a status and a text."""
    hosts = headers.getlist('host')
    if len(hosts) != 1 or hosts[0] not in self._hosts:
      return http.HTTPStatus.MISDIRECTED_REQUEST, (
        f'This server is {" or ".join(sorted(self._hosts))}, on this machine or through a tunnel '
        'from the same port, and no other.'
      )
    origins = headers.getlist('origin')
    if origins:
      if origins != [f'http://{hosts[0]}']:
        return 403, 'Requests of other origins are not answered.'
    elif scope['method'] not in ('GET', 'HEAD'):
      return 403, 'Requests that change something name their origin.'
    return None
