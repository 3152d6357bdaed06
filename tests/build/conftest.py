import functools

import pytest

from gan_jax import registry


@pytest.fixture(autouse=True, scope='module')
def modules_found_once():
  """Hundreds of configs are made here, each of all modules that there are."""
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(registry, 'names', functools.cache(registry.names))
    yield
