"""Who is let in: what a browser of another site, or of another name for this machine, may try."""

import pytest

from .conftest import ORIGIN, PORT

DRAW = {'recipes': [{'keyframes': [{'all': {'seed': 1}}]}]}


def test_an_address_opens_the_page_once_and_another_one_is_announced(served):
  first, second = served.addresses
  assert first != second
  assert served.client.get('/').status_code == 200
  again = served.browser().get(first)
  assert again.status_code == 403
  assert 'the terminal shows the newest one' in again.text
  assert 'set-cookie' not in again.headers
  other = served.browser()
  assert other.get(second).status_code == 200
  assert other.get('/api/models').status_code == 200
  assert len(served.addresses) == 3
  # A window that is in already uses nothing up.
  assert other.get(served.addresses[-1]).status_code == 200
  assert len(served.addresses) == 3


def test_the_cookie_is_for_no_script_and_no_other_site(served):
  browser = served.browser()
  cookie = browser.get(served.addresses[-1]).headers['set-cookie']
  value, *flags = [part.strip() for part in cookie.split(';')]
  assert value.startswith(f'explore_{PORT}=')
  assert len(value) > 40
  assert {'HttpOnly', 'SameSite=Strict', 'Path=/'} == set(flags)


@pytest.mark.parametrize(
  'address',
  ['/', '/?token=', '/?token=wrong', '/?token=%00', '/api/models', '/explore/main.js', '/base.css'],
)
def test_without_a_token_nothing_is_told(served, address):
  answer = served.browser().get(address)
  assert answer.status_code == 403
  assert 'set-cookie' not in answer.headers


def test_a_token_opens_the_page_alone_and_only_by_get(served):
  browser, token = served.browser(), served.addresses[-1].split('?')[1]
  assert browser.get(f'/api/models?{token}').status_code == 403
  assert browser.post(f'/?{token}').status_code == 403
  browser.cookies.set(f'explore_{PORT}', 'guessed')
  assert browser.get('/api/models').status_code == 403
  assert browser.get(f'/?{token}').status_code == 200, 'nothing of that used it up'


@pytest.mark.parametrize(
  'host',
  ['evil.example', f'evil.example:{PORT}', '127.0.0.1', f'127.0.0.1:{PORT + 1}', '[::1]', ''],
)
def test_another_host_is_refused_whoever_asks(served, host):
  for browser in (served.client, served.browser()):
    answer = browser.get(served.addresses[-1], headers={'Host': host})
    assert answer.status_code == 421
    assert f'127.0.0.1:{PORT}' in answer.text


@pytest.mark.parametrize(
  'origin',
  ['http://evil.example', 'null', f'http://127.0.0.1:{PORT + 1}', f'https://127.0.0.1:{PORT}'],
)
def test_another_origin_is_refused_whoever_asks(served, origin):
  for method, path in (('POST', '/api/draw'), ('GET', '/api/models'), ('GET', '/')):
    answer = served.client.request(method, path, json=DRAW, headers={'Origin': origin})
    assert answer.status_code == 403, path


def test_what_changes_something_names_its_origin(served):
  assert served.client.post('/api/draw', json=DRAW).status_code == 200
  del served.client.headers['Origin']
  assert served.client.get('/api/models').status_code == 200  # as browsers ask for what is theirs
  assert served.client.post('/api/draw', json=DRAW).status_code == 403


def test_every_answer_lets_the_page_take_nothing_from_elsewhere(served):
  for answer in (
    served.client.get('/'),
    served.client.get('/nothing'),
    served.client.post('/api/draw', content=b'{'),
    served.browser().get('/'),
    served.client.get('/', headers={'Host': 'evil.example'}),
  ):
    policy = dict(
      part.strip().split(' ', 1) for part in answer.headers['content-security-policy'].split(';')
    )
    assert policy['default-src'] == "'none'"
    assert policy['script-src'] == policy['style-src'] == policy['connect-src'] == "'self'"
    assert policy['frame-ancestors'] == "'none'"
    assert answer.headers['cross-origin-resource-policy'] == 'same-origin'
    assert answer.headers['x-content-type-options'] == 'nosniff'
    assert answer.headers['referrer-policy'] == 'no-referrer'
    assert 'access-control-allow-origin' not in answer.headers


def test_a_browser_may_call_this_machine_localhost(served):
  origin = ORIGIN.replace('127.0.0.1', 'localhost')
  browser = served.browser()
  browser.base_url, browser.headers['Origin'] = origin, origin
  assert browser.get(f'/?{served.addresses[-1].split("?")[1]}').status_code == 200
  assert browser.post('/api/draw', json=DRAW).status_code == 200
