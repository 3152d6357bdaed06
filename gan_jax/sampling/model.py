"""A trained generator as it is used: NumPy in and out, and a picture of itself in a notebook."""

import functools
import html
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from flax import linen as nn
from ml_collections import ConfigDict

from gan_jax.errors import UserError, nearest
from gan_jax.features.network import FeatureNetwork
from gan_jax.latents import directions, likeness, projection
from gan_jax.latents import space as spaces
from gan_jax.latents.directions import Directions
from gan_jax.pages import picture
from gan_jax.runtime.tree import PyTree
from gan_jax.sampling import arguments, programs
from gan_jax.sampling.classes import read_classes
from gan_jax.sampling.grid import encoded, grid, grid_labels

_SHOWN = 8  # rows and columns of what a notebook shows, at most
_OF_OWN = 1000  # own samples that errors are shares of the variance of
_OWN_SEED = 2**31 - 1
Classes = str | int | Sequence[str | int] | None


class Model:
  """A trained generator.

  Attributes:
    name: of its architecture, as `config.model.name`, or of where it is from.
    config: of its run; None where it is of another origin.
    resolution: height and width of the images, pixels.
    channels: 1 (grey), 3 (RGB) or 4 (RGBA).
    dtype: of the images, uint8 or uint16.
    z_dim: length of a latent.
    num_classes: 0: unconditional.
    class_names: in the order of the labels; may be empty.
    workdir: of its run, or the path that it was opened from.
    step: of its checkpoint, or None.
    images_shown: in training before the checkpoint, or None.
    generator: the network, of `gan_jax.models`.
    variables: its own, on the host; of a run the averaged ones.
    batch_size: images at once at most, over all local devices.
  """

  def __init__(
    self,
    generator: nn.Module,
    variables: PyTree,
    dtype: Any,
    *,
    name: str = '',
    config: ConfigDict | None = None,
    class_names: Sequence[str] = (),
    workdir: str = '',
    step: int | None = None,
    images_shown: int | None = None,
    batch_size: int = 64,
  ):
    """Takes a generator and its variables; compiles nothing yet."""
    self.generator, self.variables, self.dtype = generator, variables, np.dtype(dtype)
    network: Any = generator
    height, width = np.broadcast_to(network.resolution, 2)
    self.resolution = int(height), int(width)
    self.channels, self.z_dim = int(network.channels), int(network.latent_size)
    self.num_classes = int(network.num_classes)
    self.class_names = tuple(class_names) if self.num_classes else ()
    self.name = name or (config.model.name if config else type(generator).__module__)
    self.config, self.workdir, self.step = config, workdir, step
    self.images_shown, self.batch_size = images_shown, batch_size

  def sample(
    self,
    n: int,
    *,
    classes: Classes = None,
    truncation: float = 1.0,
    seed: int = 0,
  ) -> np.ndarray:
    """Draws images `[n, H, W, C]`; image i of a seed does not depend on how many are drawn.

    Args:
      n: images.
      classes: of the images, gone through in turn: labels or names, or text as `--classes` has
        it; None: all of them.
      truncation: see `images`.
      seed: of the latents.
    """
    labels = self.labels(n, classes)
    return self.images(self.latents(n, seed=seed), labels, truncation=truncation)

  def latents(self, n: int, *, seed: int = 0, first: int = 0) -> np.ndarray:
    """Draws the latents of images `first` to `first + n` of a seed, float32 `[n, z_dim]`."""
    if n < 1:
      raise UserError(f'n={n}: accepted: numbers from 1')
    return programs.latents([seed] * n, np.arange(first, first + n), self.z_dim)

  def labels(self, n: int, classes: Classes = None) -> np.ndarray:
    """Labels, int32 `[n]`, that go through classes in turn; see `sample`.

    Raises:
      UserError: for anything but classes of the model.
    """
    turn = read_classes(classes, self.num_classes, self.class_names)
    return np.resize(np.array(turn, np.int32), n)

  def images(
    self,
    latents: np.ndarray,
    labels: np.ndarray | Sequence[int] | int | None = None,
    *,
    truncation: float | np.ndarray = 1.0,
    fixed_noise: bool = False,
  ) -> np.ndarray:
    """Makes images `[N, H, W, C]` of latents.

    Args:
      latents: `[N, z_dim]`.
      labels: of classes, `[N]` or one for all; or weights of the classes `[N, num_classes]`, for
        images between them; None: all classes in turn.
      truncation: `[N]` or one for all. Share of the way from the mean of w to the w of a latent
        where the generator has that mean (`has_mean`), else a factor on the latent. Below 1 images
        are more typical and less varied.
      fixed_noise: where the generator adds noise, the same to all images.

    Raises:
      UserError: for arrays that do not fit the model.
      NonFiniteError: for images with pixels that are not numbers.
    """
    return _whole(self.batches(latents, labels, truncation=truncation, fixed_noise=fixed_noise))

  def batches(
    self,
    latents: np.ndarray,
    labels: np.ndarray | Sequence[int] | int | None = None,
    *,
    truncation: float | np.ndarray = 1.0,
    fixed_noise: bool = False,
  ) -> Iterator[np.ndarray]:
    """Yields what `images` returns batch by batch, `[b, H, W, C]`."""
    rows = self.rows(latents, labels, truncation)
    return self._programs.images(*rows, fixed_noise)

  def rows(
    self, latents: Any, labels: Any = None, truncation: Any = 1.0
  ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What each image is made of: latents, labels or weights, truncation, a row each; see `images`.

    Raises:
      UserError: for arrays that do not fit the model.
    """
    latents = arguments.latents(latents, self.z_dim)
    shares = arguments.truncation(truncation, len(latents))
    return latents, self._labels(labels, len(latents)), shares

  @property
  def has_styles(self) -> bool:
    """Whether there is a mapping network, and w."""
    return hasattr(self.generator, 'mapping')

  @property
  def has_mean(self) -> bool:
    """Whether truncation is that of w towards its mean, and not a factor on the latent."""
    return hasattr(self.generator, 'truncated')

  def styles(
    self,
    latents: np.ndarray,
    labels: np.ndarray | Sequence[int] | int | None = None,
    truncation: float | np.ndarray = 1.0,
  ) -> np.ndarray:
    """Maps latents `[N, z_dim]` to w, float32 `[N, layers, w]` or `[N, w]`; see `images`.

    Raises:
      UserError: where the generator has no mapping network.
    """
    self._need_styles()
    rows = self.rows(latents, labels, truncation)
    if not self.has_mean and np.any(rows[2] != 1):
      raise UserError(f'truncation: {self.name} keeps no mean of w; accepted: 1')
    return _whole(self._programs.styles(*rows))

  def images_of_styles(self, w: np.ndarray) -> np.ndarray:
    """Makes images `[N, H, W, C]` of w as `styles` returns it, with the same noise for all.

    Raises:
      UserError: where the generator has no mapping network, or for another shape.
      NonFiniteError: for images with pixels that are not numbers.
    """
    return _whole(self.batches_of_styles(w))

  def batches_of_styles(self, w: np.ndarray) -> Iterator[np.ndarray]:
    """Yields what `images_of_styles` returns batch by batch, `[b, H, W, C]`."""
    self._need_styles()
    w = arguments.styles(w, self.styles_shape)
    return self._programs.images_of_styles(w)

  @functools.cached_property
  def styles_shape(self) -> tuple[int, ...]:
    """Shape of one image's w, `(layers, w)` or `(w,)`."""
    self._need_styles()
    return programs.styles_shape(self.generator, self.variables)

  def class_name(self, label: int) -> str:
    """The name of a class, or its number; '' of an unconditional model."""
    if not self.num_classes:
      return ''
    return self.class_names[label] if label < len(self.class_names) else str(label)

  def recipe(self) -> dict[str, str]:
    """What the metadata of an image says of the model."""
    found = {'Model': os.path.basename(self.name)}
    if self.workdir:
      found['Run'] = os.path.basename(os.path.abspath(self.workdir))
    if self.images_shown is not None:
      found['Images shown'] = str(self.images_shown)
    return found

  def _repr_html_(self) -> str:
    about = html.escape(str(self))
    return f'<figure><img src="{picture(self._shown())}"><figcaption>{about}</figcaption></figure>'

  def _repr_png_(self) -> bytes:
    return encoded(self._shown())

  def __repr__(self) -> str:
    height, width = self.resolution
    kind = {1: 'grey', 3: 'RGB', 4: 'RGBA'}.get(self.channels, f'{self.channels} channels')
    parts = [
      self.name,
      f'{height}×{width} {kind}{" of 16 bits" if self.dtype.itemsize == 2 else ""}',
    ]
    parts += [f'{self.num_classes} classes'] if self.num_classes else ['unconditional']
    parts += [f'z of {self.z_dim}'] + (['w'] if self.has_styles else [])
    if self.images_shown is not None:
      parts.append(f'after {self.images_shown:,} images')
    return f'{self.workdir or "Model"}: ' + ', '.join(parts)

  def _shown(self) -> np.ndarray:
    labels = grid_labels(self.num_classes, _SHOWN, _SHOWN)
    return grid(self.images(self.latents(len(labels)), labels), _SHOWN)

  @functools.cached_property
  def _programs(self) -> programs.Programs:
    return programs.Programs(self.generator, self.variables, self.dtype, self.batch_size)

  def _need_styles(self) -> None:
    if not self.has_styles:
      raise UserError(f'{self.name} has no mapping network, and so no w; use its latents')

  def _labels(self, labels: Any, count: int) -> np.ndarray:
    if labels is None:
      return self.labels(count)
    return arguments.labels(labels, count, self.num_classes)

  def interpolate(
    self,
    keyframes: np.ndarray | Sequence[int],
    labels: np.ndarray | Sequence[int] | None = None,
    *,
    frames: int = 30,
    loop: bool = False,
    easing: str = 'linear',
    space: str | None = None,
    truncation: float = 1.0,
    styles: bool = False,
  ) -> np.ndarray:
    """Walks from keyframe to keyframe, images `[F, H, W, C]`, with the same noise in all of them.

    Args:
      keyframes: seeds; or latents `[K, z_dim]`; or, where `styles`, w as `Model.styles` returns it.
      labels: of each keyframe that is not w; None: the classes in turn.
      frames: from one keyframe to the next; `images[::frames]` are the keyframes.
      loop: go on to the first keyframe, whose image would be the next after the last.
      easing: 'linear', or 'sine' or 'cubic', which slow down at keyframes.
      space: 'z': along arcs; 'w': straight; None: w where there is one.
      truncation: see `images`; of keyframes that are not w.
      styles: the keyframes are w.

    Raises:
      UserError: for keyframes that do not fit, or numbers out of range.
    """
    from gan_jax.sampling import walk  # stands on this module

    points = np.asarray(keyframes)
    if points.ndim == 1 and points.dtype.kind in 'iu':
      points = programs.latents(points.tolist(), np.zeros(len(points), np.int32), self.z_dim)
    if styles:
      keys = walk.Keyframes(points, in_w=True)
    else:
      keys = walk.keyframes(self, points, labels, space, truncation)
    at = walk.times(len(points), frames, loop, easing)
    return np.stack(list(walk.walk(self, keys, at, truncation)))

  def projector(
    self,
    space: str = '',
    *,
    data: np.ndarray | None = None,
    of: str = '',
    networks: Sequence[FeatureNetwork] = (),
    settings: projection.Settings = projection.Settings(),  # noqa: B008 - never changed
  ) -> projection.Projector:
    """Makes what projects images; see `project`.

    Args:
      space: 'z', or of generators with a mapping 'w' or 'w+'; '': w where there is one.
      data: images whose variance errors are shares of; None: the model's own.
      of: what they are, in words.
      networks: whose features are compared beside the pixels.
      settings: how long is searched.

    Raises:
      UserError: for a space that the generator does not have.
    """
    opened = spaces.open_space(self.generator, space)
    coordinates = spaces.coordinates(opened, self.variables)
    if data is None:
      data, of = self.sample(_OF_OWN, seed=_OWN_SEED), 'samples of the model'
    like = likeness.likeness(data, of, networks)
    return projection.Projector(opened, self.variables, coordinates, like, self.dtype, settings)

  def project(
    self, images: np.ndarray, labels: np.ndarray | Sequence[int] | None = None, space: str = ''
  ) -> projection.Projections:
    """Finds latents whose images are like those given, by pixels; `projector` does more.

    Args:
      images: `[N, H, W, C]` of the model's size and type.
      labels: their classes, `[N]`; None: of a conditional model they are found.
      space: see `projector`.

    Raises:
      UserError: for images of another shape or type, labels that are no classes, or a space that
        the generator does not have.
    """
    if space not in self._projectors:
      self._projectors[space] = self.projector(space)
    images = arguments.images(images, (*self.resolution, self.channels), self.dtype)
    known = None if labels is None else self._labels(labels, len(images))
    return self._projectors[space].project(images, known)

  def directions(self, by: str = 'components', count: int = 8, seed: int = 0) -> Directions:
    """Finds directions in w, or in z where there is no mapping; `edit.edit` finds more.

    Args:
      by: 'components' of the first response, or 'weights', in closed form; see `directions`.
      count: of them.
      seed: of the draws that they are found by.

    Raises:
      UserError: for another way.
    """
    ways = {'components': directions.components, 'weights': directions.weights}
    if by not in ways:
      raise UserError(f'by={by}: {nearest(by, ways)}')
    space = spaces.open_space(self.generator, spaces.default(self.generator))
    learnt = spaces.coordinates(space, self.variables)
    return ways[by](space, self.variables, learnt, count, seed)

  @functools.cached_property
  def _projectors(self) -> dict[str, projection.Projector]:
    return {}


def _whole(batches: Iterator[Any]) -> np.ndarray:
  return np.concatenate(list(batches))
