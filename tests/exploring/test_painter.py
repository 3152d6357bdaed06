import numpy as np
import pytest

from gan_jax.errors import UserError
from gan_jax.exploring.gallery import Gallery
from gan_jax.exploring.painter import AT_ONCE, Painter, Projected
from gan_jax.exploring.recipe import Recipe, Source
from tests.sampling import drawn

from .conftest import plain, styled


def one(**source):
  return Recipe(((Source(**source),),))


@pytest.fixture
def painters(models):
  gallery = Gallery([])
  gallery.keep(Projected(np.ones(8, np.float32), 1))
  return [Painter(model, gallery.projected) for model in models]


def test_a_picture_is_what_the_model_makes_of_its_seed_class_and_truncation(models, painters):
  for model, painter in zip(models, painters, strict=True):
    asked = [one(seed=n, label=n % 2, truncation=0.25 * n) for n in range(AT_ONCE + 3)]
    found = painter.draw(asked)
    latents = np.concatenate([model.latents(1, seed=n) for n in range(len(asked))])
    labels, share = np.arange(len(asked)) % 2, 0.25 * np.arange(len(asked))
    if model.has_styles:
      expected = model.images_of_styles(model.styles(latents, labels, share))
    else:
      expected = model.images(latents, labels, truncation=share)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(painter.draw(asked[4:5]), found[4:5])


def test_between_keyframes_the_ends_are_the_keyframes_and_the_middle_is_neither(painters):
  for painter in painters:
    frames = ((Source(1, label=0),), (Source(2, label=1),), (Source(3, label=0),))
    drawn = painter.draw([Recipe(frames, at) for at in (0, 1, 1.5, 2)])
    alone = painter.draw([Recipe((frame,)) for frame in frames])
    np.testing.assert_array_equal(drawn[[0, 1, 3]], alone)
    assert (drawn[2] != drawn[1]).any()
    assert (drawn[2] != drawn[3]).any()


def test_between_classes_each_weighs_as_near_as_it_is():
  model = drawn.model()  # whose classes are nothing alike
  frames, shares = ((Source(1, label=0),), (Source(1, label=2),)), np.array([0.25, 0.5, 0.75])
  found = Painter(model, Gallery([]).projected).draw([Recipe(frames, at) for at in shares])
  weights = np.stack([1 - shares, 0 * shares, shares], axis=1).astype(np.float32)
  expected = model.images(model.latents(1, seed=1).repeat(3, axis=0), weights, fixed_noise=True)
  assert np.abs(found.astype(int) - expected).max() <= 1  # the arc from a latent to itself
  assert np.abs(found[0].astype(int) - found[2]).max() > 20


def test_styles_of_layers_come_from_their_sources(models, painters):
  model, painter = models[1], painters[1]
  sources = Source(1), Source(2), Source(3, label=1)
  w = model.styles(
    np.concatenate([model.latents(1, seed=n) for n in (1, 2, 3)]), np.array([0, 0, 1])
  )
  coarse, middle, fine = painter.layers()
  assert sorted(np.concatenate([coarse, middle, fine])) == list(range(w.shape[1]))
  mixed = np.concatenate([w[0][coarse], w[1][middle], w[2][fine]])
  expected = model.images_of_styles(mixed[None])
  np.testing.assert_array_equal(painter.draw([Recipe((sources,))]), expected)
  with pytest.raises(UserError, match='dcgan has no layers'):
    painters[0].draw([Recipe((sources,))])


def test_directions_move_latents_by_their_strengths(models, painters):
  model, painter = models[0], painters[0]
  first, second = painter.directions.names[:2]
  found = painter.draw([one(seed=5, directions=((first, 2.0), (second, -1.0)))])
  vectors = painter.directions.vectors
  moved = model.latents(1, seed=5) + 2 * vectors[0] - vectors[1]
  expected = model.images(moved, [0]).astype(int)
  assert np.abs(found - expected).max() <= 1  # sums in another order
  with pytest.raises(UserError, match='unknown; accepted: component1'):
    painter.draw([one(directions=(('nothing', 1.0),))])


def test_another_models_directions_can_be_meant(painters):
  plain_one, styled_one = painters
  name = plain_one.directions.names[0]
  asked = [one(directions=((name, 3.0),))]
  own, others = styled_one.draw(asked), styled_one.draw(asked, of=plain_one)
  assert (own != others).any()  # both have vectors of eight numbers


def test_a_projected_image_is_drawn_from_its_own_latent(models, painters):
  (found,) = painters[0].draw([one(projection='p1', label=1)])
  expected = models[0].images(np.ones((1, 8), np.float32), [1])[0]
  np.testing.assert_array_equal(found, expected)
  with pytest.raises(UserError, match='there is none of this name'):
    painters[0].draw([one(projection='p2')])
  with pytest.raises(UserError, match=r'shape \(8,\), this model'):
    painters[1].draw([one(projection='p1')])


def test_a_projected_w_is_truncated_towards_the_mean(models):
  model, gallery = models[1], Gallery([])
  own = np.random.default_rng(0).normal(size=model.styles_shape).astype(np.float32)
  name = gallery.keep(Projected(own, 0))
  painter = Painter(model, gallery.projected)
  mean = model.styles(model.latents(1), [0], 0.0)[0]
  for share in (0.0, 0.5, 1.0):
    (found,) = painter.draw([one(projection=name, truncation=share)])
    expected = model.images_of_styles((mean + share * (own - mean))[None])[0]
    assert np.abs(found.astype(int) - expected).max() <= 1


@pytest.mark.parametrize('settings', [{'channels': 4}, {'dtype': 'uint16'}, {'classes': ()}])
def test_any_kind_of_image_can_be_drawn(settings):
  for model in (plain(resolution=(16, 32), **settings), styled(resolution=(16, 32), **settings)):
    painter = Painter(model, Gallery([]).projected)
    painter.warm()
    (found,) = painter.draw([one(seed=3)])
    assert found.shape == (16, 32, model.channels)
    assert found.dtype == model.dtype
