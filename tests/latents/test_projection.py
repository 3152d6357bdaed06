import pathlib

import numpy as np
import pytest

from gan_jax.latents import projection
from gan_jax.latents.projection import Settings, _at_most
from tests.sampling import drawn

SIZES = {'biggan': (32, 32), 'fastgan': (32, 32)}
QUICK = Settings(candidates=60, starts=2, short_steps=4, kept=1, steps=12)


def projected(model, settings=QUICK, **options):
  images = model.sample(4, seed=7)
  return images, model.projector(settings=settings, data=images).project(images, **options)


def shown(images):
  return images.astype(np.float32) / 127.5 - 1


@pytest.mark.parametrize(
  ('name', 'space'),
  [
    ('dcgan', 'z'),
    pytest.param('resnet', 'z', marks=pytest.mark.slow),
    pytest.param('biggan', 'z', marks=pytest.mark.slow),
    pytest.param('r3gan', 'z', marks=pytest.mark.slow),
    pytest.param('fastgan', 'z', marks=pytest.mark.slow),
    ('stylegan2', 'w'),
    pytest.param('stylegan2', 'w+', marks=pytest.mark.slow),
    pytest.param('gat', 'w', marks=pytest.mark.slow),
  ],
)
def test_descent_comes_nearer_than_draws_and_files_make_the_images_again(name, space):
  model = drawn.model(name, SIZES.get(name, (16, 16)))
  images = model.sample(4, seed=7)
  # Both descents are one program of each: as many steps, from as many starts.
  moves, still = (QUICK._replace(kept=2, short_steps=n, steps=n) for n in (8, 0))
  moving, unmoved = (model.projector(space, settings=s, data=images) for s in (moves, still))
  found = moving.project(images)
  # What both do alike is compiled once: all but the descents.
  alike = {key: run for key, run in moving._programs.items() if key[0] not in ('short', 'long')}
  unmoved._programs.update(alike)
  assert found.distances.mean() < unmoved.project(images).distances.mean()
  if space == 'z':
    again = model.images(found.latents, found.labels, fixed_noise=True)
  else:
    again = model.images_of_styles(found.latents)
  assert np.abs(again.astype(int) - found.images).max() <= 1
  variance = shown(images).var(axis=0).mean()
  expected = np.mean((shown(images) - shown(again)) ** 2, axis=(1, 2, 3)) / variance
  np.testing.assert_allclose(found.pixel_errors, expected, rtol=0.1, atol=1e-3)


def test_without_data_errors_are_shares_of_the_variance_of_the_models_own_images():
  model = drawn.model('dcgan')
  own = model.sample(1000, seed=2**31 - 1)
  assert model.projector().likeness.pixel_variance == pytest.approx(shown(own).var(axis=0).mean())
  few = model.projector(data=own[:4]).likeness.pixel_variance
  assert few == pytest.approx(shown(own[:4]).var(axis=0).mean())


def test_a_generated_image_is_found_again_with_its_class():
  model = drawn.model('dcgan', classes=3)
  settings = Settings(candidates=600, starts=8, short_steps=30, kept=2, steps=150)
  _, found = projected(model, settings=settings)
  assert (found.pixel_errors < 0.05).all()
  np.testing.assert_array_equal(found.labels, [0, 1, 2, 0])


def test_a_given_class_is_kept():
  model = drawn.model('dcgan', classes=3)
  _, found = projected(model, labels=np.array([2, 2, 1, 1]))
  np.testing.assert_array_equal(found.labels, [2, 2, 1, 1])


def test_latents_stay_as_long_as_draws_are():
  model = drawn.model('dcgan', classes=0)
  images = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 1), np.uint8)
  settings = QUICK._replace(steps=60, learning_rate=1.0)
  found = model.projector(settings=settings).project(images)
  length = np.linalg.norm(found.latents, axis=1)
  assert (length < 1.9 * np.sqrt(8)).all()
  np.testing.assert_allclose(found.lengths, length / 2.74, rtol=0.03)  # the mean of chi, 8 degrees


@pytest.mark.parametrize(
  ('channels', 'dtype', 'size'),
  [(3, np.uint8, (16, 32)), (4, np.uint8, (16, 16)), (1, np.uint16, (32, 16))],
)
def test_colours_alpha_sixteen_bits_and_other_shapes(channels, dtype, size):
  model = drawn.model('dcgan', size, channels, dtype)
  images, found = projected(model)
  assert found.images.shape == images.shape
  assert found.images.dtype == dtype
  assert np.isfinite(found.distances).all()


def test_an_image_alone_is_found_as_among_others(monkeypatch):
  monkeypatch.setattr(projection, '_MOST_AT_ONCE', 32)
  model = drawn.model('dcgan')
  images = model.sample(3, seed=3)
  projector = model.projector(settings=QUICK, data=images)
  together, alone = projector.project(images), projector.project(images[1:2])
  np.testing.assert_allclose(together.latents[1], alone.latents[0], atol=1e-3)
  # Neither are many drawn at once than there is room for, nor many more than are asked for.
  sizes = {name: set() for name, _ in projector._programs}
  for name, size in projector._programs:
    sizes[name].add(size)
  assert sizes.pop('candidates') == {32}  # of 60
  assert set(map(frozenset, sizes.values())) == {frozenset({1, 4})}


def test_the_guide_says_how_long_is_searched_unless_asked():
  guide = (pathlib.Path(projection.__file__).parent / 'README.md').read_text()
  asked, guide = Settings(), ' '.join(guide.split())
  assert f'{asked.candidates:,} latents are drawn, of all classes in turn' in guide
  half = asked.starts // 2
  assert f'the {asked.starts} nearest are the starts, at most {half} of one class' in guide
  said = f'{asked.short_steps} steps of Adam from each start, {asked.steps} from the best'
  assert f'{said} {asked.kept}, ' in guide


def test_a_film_is_kept_of_those_images_alone_of_which_it_is_wanted():
  model = drawn.model('dcgan')
  images = model.sample(2, seed=3)
  projector = model.projector(settings=QUICK._replace(way=2), data=images)
  filmed, other = projector.project(images), projector.project(images, film=False)
  assert filmed.way.shape[0] == 2
  assert other.way is None
  np.testing.assert_array_equal(filmed.latents, other.latents)


def test_of_the_nearest_no_more_than_so_many_are_of_one_class():
  labels = np.array([1, 1, 1, 2, 1, 0, 2, 2])
  np.testing.assert_array_equal(_at_most(labels, 2, 4), [0, 1, 3, 5])
