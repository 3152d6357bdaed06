"""The scores of a run while it is trained."""

import pytest

from gan_jax.evaluation.keeper import ScoreKeeper
from gan_jax.workdir import record


def keeper(workdir, said):
  rank = lambda line: line.get('fd', 9.0)
  return ScoreKeeper(str(workdir), None, (None, None), None, rank, said.append)


@pytest.fixture
def scored(tmp_path):
  for step, value in ((0, 9.0), (2, 3.0), (4, 1.0)):
    record.append_line(str(tmp_path), 'scores', step, 16 * step, {'fd': value})
  return tmp_path


def test_scores_of_before_are_read_and_undone_ones_forgotten(scored):
  found = keeper(scored, [])
  assert found.ranks == {2: 3.0, 4: 1.0}  # none of the untrained generator: it is no checkpoint
  assert found.summary(4) == {'fd': 1.0, 'untrained_fd': 9.0}
  found.undo(2)
  assert found.ranks == {2: 3.0}
  assert found.summary(4) == {'untrained_fd': 9.0}


def test_scores_by_another_network_are_not_compared(scored):
  said = []
  found = keeper(scored, said)
  one, other = {'classifier': {'digest': 'a'}}, {'classifier': {'digest': 'b'}}
  found._keep_features(one)
  found._keep_features(one)
  assert (said, found.ranks) == ([], {2: 3.0, 4: 1.0})
  found._keep_features(other)
  assert len(said) == 1
  assert 'classifier: not the network of the scores before' in said[0]
  assert found.ranks == {}
  assert record.read_circumstances(str(scored))['features'] == other
