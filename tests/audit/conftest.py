import pytest

from gan_jax.audit import views


@pytest.fixture(autouse=True)
def pixels_alone(monkeypatch):
  """Networks for 224 pixels would take minutes here; slow tests bring them back."""
  monkeypatch.setattr(views, '_ALSO', ())
