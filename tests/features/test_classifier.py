import numpy as np

from gan_jax.features import classifier


def test_a_torn_cache_counts_as_not_there(tmp_path):
  path = tmp_path / 'classifier.npz'
  params = {'Dense_0': {'kernel': np.ones((2, 3), np.float32)}}
  classifier._save(str(path), params, 0.5)
  loaded, accuracy = classifier._load(str(path))
  np.testing.assert_array_equal(loaded['Dense_0']['kernel'], params['Dense_0']['kernel'])
  assert accuracy == 0.5
  whole = path.read_bytes()
  for length in (0, 50, len(whole) - 1):
    path.write_bytes(whole[:length])
    assert classifier._load(str(path)) is None
