"""Frames written as MP4, GIF or WebP, with what made them."""

import os
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import imageio_ffmpeg
import numpy as np
from PIL import Image

from gan_jax.errors import UserError
from gan_jax.sampling import about
from gan_jax.sampling.about import Recipe
from gan_jax.sampling.grid import enlarged, whole_file
from gan_jax.text import printable

_LEAST = 256  # pixels of a film's shorter side where no size is asked for
_XMP = bytes.fromhex('be7acfcb97a942e89c71999491e3afac')  # the box of XMP in MP4 (ISO 14496-12)
# Said and kept: players guess the matrix by the size of the picture where it is not told.
_COLOURS = [
  *('-vf', 'scale=out_color_matrix=bt709:out_range=tv', '-colorspace', 'bt709'),
  *('-color_primaries', 'bt709', '-color_trc', 'bt709', '-color_range', 'tv'),
]
_QUALITY = ['-crf', '16', '-preset', 'medium']


def check(out: str, fps: float) -> str:
  """The ending of a film, `.mp4`, `.gif` or `.webp`.

  Raises:
    UserError: for another ending, or frames a second that the format cannot have.
  """
  ending = os.path.splitext(out)[1].lower()
  if ending not in _WRITERS:
    raise UserError(f'--out={out}: accepted: FILE.mp4, FILE.gif, FILE.webp')
  most = {'.gif': 50, '.webp': 1000}.get(ending, 240)
  if not 0.1 <= fps <= most:
    raise UserError(f'--fps={fps:g}: accepted: 0.1 to {most} in a {ending}')
  return ending


def factor(out: str, shape: tuple[int, int], size: int | None, cells: int) -> int:
  """How many times as large each pixel is shown.

  Args:
    out: the film.
    shape: of an image, height and width.
    size: shorter side that an image is to have, pixels; None: so that the film has 256 or more.
    cells: images along the film's shorter side.

  Raises:
    UserError: for a size that is no multiple of the image's, or one that an MP4 cannot have.
  """
  short = min(shape)
  even = 2 if out.lower().endswith('.mp4') and any(side % 2 for side in shape) else 1
  if size is None:
    least = max(1, -(-_LEAST // (short * cells)))
    return -(-least // even) * even
  if size < short or size % short or size > 8192:
    raise UserError(f'--size={size}: accepted: multiples of {short}, the side of an image')
  if size // short % even:
    raise UserError(
      f'--size={size}: an MP4 has even sides, and {shape[1]}×{shape[0]} images are odd; accepted: '
      f'multiples of {2 * short}'
    )
  return size // short


def write_film(
  out: str, frames: Iterator[np.ndarray], times: int, fps: float, loop: bool, recipe: Recipe
) -> None:
  """Writes frames, uint8 `[H, W, 1 or 3]` each.

  Args:
    out: FILE.mp4, FILE.gif or FILE.webp.
    frames: at least one.
    times: as large as which each pixel is shown.
    fps: frames a second; a GIF has hundredths of a second, and takes the nearest.
    loop: GIF and WebP go on from the beginning.
    recipe: for the metadata.
  """
  first = next(frames)
  shown = (enlarged(frame[None], times)[0] for frame in chain([first], frames))
  with whole_file(out) as file:
    temporary = file.name
    _WRITERS[os.path.splitext(out)[1].lower()](temporary, shown, fps, loop, recipe)


def _write_mp4(
  path: str, frames: Iterator[np.ndarray], fps: float, loop: bool, recipe: Recipe
) -> None:
  del loop  # a player's choice
  first = next(frames)
  height, width, _ = first.shape
  tags = {
    'title': recipe.get('Model', ''),
    'comment': about.sentence(recipe),
    'DigitalSourceType': about.SYNTHETIC,
    **{f'gan_jax {name}': printable(value) for name, value in recipe.items()},
  }
  told = [word for name, value in tags.items() for word in ('-metadata', f'{name}={value}')]
  grey = first.shape[-1] == 1
  given = ['-f', 'rawvideo', '-pix_fmt', 'gray' if grey else 'rgb24', '-s', f'{width}x{height}']
  _ffmpeg(
    [*given, '-r', f'{fps:g}', '-i', '-'],
    [
      *('-c:v', 'libx264', '-pix_fmt', 'yuv420p', *_QUALITY, *_COLOURS, *told),
      *('-movflags', '+faststart+use_metadata_tags', '-bitexact', '-f', 'mp4', path),
    ],
    (np.ascontiguousarray(frame).tobytes() for frame in chain([first], frames)),
  )
  packet = about.xmp(recipe)
  with open(path, 'ab') as file:
    file.write(struct.pack('>I4s16s', 24 + len(packet), b'uuid', _XMP) + packet)


def _ffmpeg(given: list[str], asked: list[str], chunks: Iterator[bytes]) -> None:
  """Runs ffmpeg over what is piped into it.

  Raises:
    OSError: with what ffmpeg says, where it fails.
  """
  words = [imageio_ffmpeg.get_ffmpeg_exe(), '-y', '-loglevel', 'error', *given, *asked]
  with tempfile.TemporaryFile() as said:
    # In a group of its own: Ctrl-C is for us, and we end it.
    pipes: dict[str, Any] = {'stdin': subprocess.PIPE, 'stderr': said, 'process_group': 0}
    with subprocess.Popen(words, **pipes) as process:
      assert process.stdin is not None
      try:
        for chunk in chunks:
          process.stdin.write(chunk)
        process.stdin.close()
      except BrokenPipeError:  # ffmpeg has ended; it says why
        pass
      except BaseException:
        process.kill()
        raise
    if process.returncode:
      said.seek(0)
      lines = said.read().decode(errors='replace').split('\n')
      raise OSError(process.returncode, f'ffmpeg: {lines[0][:200]}')


def _write_gif(
  path: str, frames: Iterator[np.ndarray], fps: float, loop: bool, recipe: Recipe
) -> None:
  pictures = map(_picture, frames)
  more = {'loop': 0} if loop else {}
  next(pictures).save(
    path,
    format='GIF',
    save_all=True,
    append_images=pictures,
    duration=10 * max(2, round(100 / fps)),
    comment=about.sentence(recipe).encode(),
    **more,
  )


def _write_webp(
  path: str, frames: Iterator[np.ndarray], fps: float, loop: bool, recipe: Recipe
) -> None:
  pictures = map(_picture, frames)
  next(pictures).save(
    path,
    format='WEBP',
    save_all=True,
    append_images=pictures,
    duration=round(1000 / fps),
    loop=0 if loop else 1,
    lossless=True,
    xmp=about.xmp(recipe),
  )


def _picture(frame: np.ndarray) -> Image.Image:
  return Image.fromarray(np.ascontiguousarray(frame[..., 0] if frame.shape[-1] == 1 else frame))


_Writer = Callable[[str, Iterator[np.ndarray], float, bool, Recipe], None]
_WRITERS: dict[str, _Writer] = {'.mp4': _write_mp4, '.gif': _write_gif, '.webp': _write_webp}
