import functools
import http.server
import io
import shutil
import struct
import subprocess
import threading

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from gan_jax.errors import UserError
from gan_jax.sampling import about, film

RECIPE = {'Model': 'dcgan', 'Classes': 'a\x00=\n猫', 'Seeds': '0-3'}


def drawn_frames(channels=3, size=(20, 30), count=6):
  """Smooth colours that move, so that a codec has nothing to smear."""
  y, x = np.indices(size)
  waves = [np.sin(x / 9 + y / 7 + t + np.arange(channels)[:, None, None]) for t in range(count)]
  return np.rint(127.5 + 100 * np.stack(waves)).astype(np.uint8).transpose(0, 2, 3, 1)


def read_mp4(path):
  """Frames `[F, H, W, 3]` and what ffmpeg says of them, without any code of ours."""
  reader = imageio_ffmpeg.read_frames(str(path))
  told = next(reader)
  width, height = told['size']
  frames = [np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in reader]
  return np.stack(frames), told


def read_picture(path):
  with Image.open(path) as file:
    found, durations = [], []
    for number in range(file.n_frames):
      file.seek(number)
      found.append(np.asarray(file.convert('RGB')))
      durations.append(file.info['duration'])
    return np.stack(found), durations, file.info


@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize(('size', 'times'), [((20, 30), 2), ((9, 15), 4)])
def test_an_mp4_has_the_frames_the_size_and_the_rate_asked_for(channels, size, times, tmp_path):
  frames, out = drawn_frames(channels, size), tmp_path / 'a.mp4'
  film.write_film(str(out), iter(frames), times, 12.5, True, RECIPE)
  found, told = read_mp4(out)
  assert found.shape == (6, times * size[0], times * size[1], 3)
  assert told['fps'] == 12.5
  assert told['codec'] == 'h264'
  shown = frames.repeat(times, axis=1).repeat(times, axis=2).astype(int)
  assert np.abs(found - shown).mean() < 3  # of 255: colours are kept at half the size
  assert [path.name for path in tmp_path.iterdir()] == ['a.mp4']


@pytest.mark.parametrize('channels', [1, 3])
def test_a_webp_is_exact_and_a_gif_near_and_both_go_round(channels, tmp_path):
  frames = drawn_frames(channels)
  for loop in (True, False):
    for name in ('a.gif', 'a.webp'):
      film.write_film(str(tmp_path / name), iter(frames), 2, 25, loop, RECIPE)
      found, durations, info = read_picture(tmp_path / name)
      shown = np.broadcast_to(frames, (6, 20, 30, 3)).repeat(2, axis=1).repeat(2, axis=2)
      assert found.shape == shown.shape
      assert durations == [40] * 6
      assert (info.get('loop', 1) == 0) == loop
      difference = np.abs(found.astype(int) - shown)
      assert difference.max() == 0 if name == 'a.webp' or channels == 1 else difference.mean() < 8


def test_films_say_that_they_are_synthetic_and_how_they_were_made(tmp_path):
  for name in ('a.mp4', 'a.webp', 'a.gif'):
    film.write_film(str(tmp_path / name), iter(drawn_frames()), 1, 25, True, RECIPE)
  packet = about.xmp(RECIPE)
  with Image.open(tmp_path / 'a.webp') as image:
    assert image.info['xmp'] == packet
  with Image.open(tmp_path / 'a.gif') as image:
    assert image.info['comment'].decode() == about.sentence(RECIPE)
  boxes = mp4_boxes((tmp_path / 'a.mp4').read_bytes())
  assert boxes[-1] == (b'uuid', bytes.fromhex('be7acfcb97a942e89c71999491e3afac') + packet)
  words = [imageio_ffmpeg.get_ffmpeg_exe(), '-i', tmp_path / 'a.mp4', '-f', 'ffmetadata', '-']
  told = subprocess.run(words, capture_output=True, check=True).stdout.decode()
  assert f'DigitalSourceType={about.SYNTHETIC}' in told
  assert 'gan_jax Seeds=0-3' in told
  assert '猫' in told


def mp4_boxes(data):
  """Kinds and contents of the outermost boxes (ISO 14496-12)."""
  file, found = io.BytesIO(data), []
  while head := file.read(8):
    size, kind = struct.unpack('>I4s', head)
    found.append((kind, file.read(size - 8)))
  return found


def test_a_film_that_breaks_off_leaves_nothing(tmp_path):
  def broken():
    yield from drawn_frames()
    raise RuntimeError('gone')

  for name in ('a.mp4', 'a.gif', 'a.webp'):
    with pytest.raises(RuntimeError, match='gone'):
      film.write_film(str(tmp_path / name), broken(), 1, 25, True, RECIPE)
  with pytest.raises(OSError, match='ffmpeg: '):
    film._ffmpeg(['-f', 'rawvideo', '-i', '-'], ['-f', 'nothing', 'x'], iter([b'0' * 2**20]))
  assert not list(tmp_path.iterdir())


def test_endings_and_rates_that_cannot_be_are_refused():
  assert film.check('A.MP4', 30) == '.mp4'
  for out, most in (('a.mp4', 240), ('a.gif', 50), ('a.webp', 1000)):
    assert film.check(out, 0.1) == film.check(out, most) == out[1:]
  for out in ('a.avi', 'a', 'a.png'):
    with pytest.raises(UserError, match=r'accepted: FILE\.mp4, FILE\.gif, FILE\.webp'):
      film.check(out, 30)
  for out, fps in (('a.mp4', 0), ('a.mp4', float('nan')), ('a.gif', 60), ('a.webp', 1001)):
    with pytest.raises(UserError, match=r'--fps=.*: accepted: '):
      film.check(out, fps)


def test_sizes_are_whole_multiples_and_even_in_an_mp4():
  assert film.factor('a.mp4', (32, 48), None, 1) == 8
  assert film.factor('a.gif', (32, 48), 64, 1) == 2
  assert film.factor('a.gif', (300, 400), None, 1) == 1
  assert film.factor('a.webp', (32, 32), None, 3) == 3
  assert film.factor('a.mp4', (15, 20), None, 1) == 18
  for out, shape, size in (
    ('a.gif', (32, 32), 50),
    ('a.gif', (32, 32), 16),
    ('a.mp4', (15, 20), 45),
  ):
    with pytest.raises(UserError, match=f'--size={size}: .*accepted: '):
      film.factor(out, shape, size, 1)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which('chromium'), reason='no Chromium here')
def test_chromium_plays_every_frame_in_its_colours(tmp_path):
  from selenium import webdriver
  from selenium.webdriver.chrome.service import Service

  frames = np.repeat(np.array([[[[200, 40, 40]]], [[[40, 40, 200]]]], np.uint8), 64, axis=1)
  frames = np.repeat(np.repeat(frames, 96, axis=2), 10, axis=0)
  film.write_film(str(tmp_path / 'a.mp4'), iter(frames), 1, 10, True, RECIPE)
  (tmp_path / 'a.html').write_text('<video id=v muted></video>')
  options = webdriver.ChromeOptions()
  for word in ('--headless=new', '--no-sandbox', '--autoplay-policy=no-user-gesture-required'):
    options.add_argument(word)
  handler = functools.partial(Quiet, directory=str(tmp_path))
  server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
  threading.Thread(target=server.serve_forever, daemon=True).start()
  browser = webdriver.Chrome(options, Service(shutil.which('chromedriver')))
  try:
    browser.set_script_timeout(60)
    browser.get(f'http://127.0.0.1:{server.server_port}/a.html')
    told = browser.execute_async_script("""
      const [done] = arguments, colours = []
      const look = () => {
        const c = document.createElement('canvas')
        c.width = v.videoWidth; c.height = v.videoHeight
        c.getContext('2d').drawImage(v, 0, 0)
        colours.push([...c.getContext('2d').getImageData(48, 32, 1, 1).data])
      }
      // A seek ends before its frame is shown, on a busy machine long before.
      const at = t => new Promise(r => {
        const shown = (now, frame) => {
          if (Math.abs(frame.mediaTime - t) < 0.1) { look(); r() }
          else v.requestVideoFrameCallback(shown)
        }
        v.requestVideoFrameCallback(shown)
        v.currentTime = t
      })
      v.onerror = () => done({error: v.error.message})
      const go = async () => {
        await at(0.55); await at(1.55)
        v.onended = () => done({colours, size: [v.videoWidth, v.videoHeight], d: v.duration})
        v.currentTime = 0
        await v.play()
      }
      v.onloadeddata = go
      fetch('a.mp4').then(r => r.blob()).then(b => { v.src = URL.createObjectURL(b) })
    """)
  finally:
    browser.quit()
    server.shutdown()
  assert told['size'] == [96, 64]
  assert told['d'] == pytest.approx(2.0, abs=0.05)
  np.testing.assert_allclose(np.array(told['colours'])[:, :3], frames[[0, 10], 0, 0], atol=12)


class Quiet(http.server.SimpleHTTPRequestHandler):
  def log_message(self, *_):
    pass
