import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan_jax.errors import UserError
from gan_jax.exploring import recipe as recipes
from gan_jax.exploring.recipe import GROUPS, Recipe, Source

SOURCES = st.builds(
  Source,
  st.integers(0, 2**32 - 1),
  st.just('') | st.just('p1'),
  st.integers(0, 9),
  st.floats(0, 2),
  st.dictionaries(st.text(max_size=9), st.floats(-20, 20), max_size=3).map(
    lambda found: tuple(found.items())
  ),
)
PICTURES = SOURCES.map(lambda one: (one,)) | st.tuples(SOURCES, SOURCES, SOURCES)
RECIPES = st.lists(PICTURES, min_size=1, max_size=4).flatmap(
  lambda frames: st.builds(Recipe, st.just(tuple(frames)), st.floats(0, len(frames) - 1))
)
JSON = st.recursive(
  st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
  lambda inner: (
    st.lists(inner, max_size=4)
    | st.dictionaries(
      st.sampled_from(['keyframes', 'at', 'all', *GROUPS, 'seed', 'class', 'directions', 'x']),
      inner,
    )
  ),
)


@given(RECIPES)
def test_what_is_written_is_read_as_it_was(recipe):
  text = json.dumps(recipes.written(recipe)).encode()
  found = recipes.read(recipes.loads(text), 10)
  named = [source._replace(seed=0) if source.projection else source
           for sources in recipe.keyframes for source in sources]  # fmt: skip
  assert [source for sources in found.keyframes for source in sources] == named
  assert found.at == recipe.at


@given(JSON)
def test_any_other_json_is_read_or_refused_in_a_line(value):
  found, said = None, ''
  try:
    found = recipes.read(value, 10)
  except UserError as error:
    said = str(error)
  assert '\n' not in said
  assert found is None or recipes.read(recipes.written(found), 10) == found


SOURCE = {'seed': 1}


def of(**source):
  return {'keyframes': [{'all': {**SOURCE, **source}}]}


@pytest.mark.parametrize(
  ('value', 'message'),
  [
    ([], 'a recipe: found a value of type list'),
    ({}, 'keyframes: found nothing'),
    ({'keyframes': [], 'at': 0}, 'keyframes: found 0; accepted: a list of 1 to 64'),
    ({'keyframes': [{'all': SOURCE}] * 65}, 'keyframes: found 65'),
    ({'keyframes': [{'all': SOURCE}], 'at': 0.5}, 'at=0.5: accepted: numbers from 0 to 0'),
    ({'keyframes': [{'coarse': SOURCE}]}, 'a keyframe: coarse; accepted: all, or coarse, middle'),
    ({'keyframes': [{'x': SOURCE}]}, "a keyframe: 'x'"),
    (of(sead=1), "a source: 'sead'; accepted: seed"),
    (of(seed=-1), 'seed=-1'),
    (of(seed=2**32), 'seed=4294967296'),
    (of(seed=10**5000), 'seed=a value of type int'),
    (of(seed=True), 'seed='),
    (of(seed=1.5), 'seed='),
    ({**of(**{'class': 10})}, 'class=10: accepted: whole numbers from 0 to 9'),
    (of(truncation=float('inf')), 'truncation=inf'),
    (of(truncation=10**400), 'truncation='),
    (of(truncation='1'), 'truncation='),
    (of(directions={'a': 21}), 'accepted: numbers from -20 to 20'),
    (of(directions={str(n): 1 for n in range(65)}), 'at most 64'),
    (of(projection='x' * 201), 'at most 200 characters'),
  ],
)
def test_what_is_out_of_bounds_is_named(value, message):
  with pytest.raises(UserError) as refused:
    recipes.read(value, 10)
  assert message in str(refused.value)
  assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
  'data', [b'', b'{', b'\xff', b'NaN', b'[Infinity]', b'[' * 100_000, b'"a" 1', b'1' * 5000]
)
def test_what_is_no_json_is_refused(data):
  with pytest.raises(UserError, match='no JSON'):
    recipes.loads(data)


def test_projections_are_named_and_renamed():
  recipe = Recipe(((Source(projection='p1'), Source(), Source(projection='p2')),))
  assert list(recipes.projections([recipe])) == ['p1', 'p2']
  found = recipes.renamed(recipe, {'p1': 'p7'})
  assert list(recipes.projections([found])) == ['p7', 'p2']
