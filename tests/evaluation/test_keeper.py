"""The scores of a run while it is trained."""

import json

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


def test_a_run_goes_on_with_the_scores_up_to_its_step(scored):
  found = keeper(scored, [])
  found.go_on(4, None, 0)
  assert found.ranks == {2: 3.0, 4: 1.0}  # none of the untrained generator: it is no checkpoint
  assert found.summary(4) == {'fd': 1.0, 'untrained_fd': 9.0}
  earlier = keeper(scored, [])
  earlier.go_on(2, None, 0)
  assert earlier.ranks == {2: 3.0}
  assert earlier.summary(4) == {'untrained_fd': 9.0}
  # Those of checkpoints and of the untrained generator are saved with a state; the others are not
  # looked for.
  saved = json.loads(json.dumps(found.of([4])))
  assert [line['step'] for line in saved] == [0, 4]
  size = (scored / 'metrics.jsonl').stat().st_size
  record.append_line(str(scored), 'scores', 6, 96, {'fd': 0.5})
  again = keeper(scored, [])
  again.go_on(6, saved, size)
  assert again.ranks == {4: 1.0, 6: 0.5}
  assert again.summary(6) == {'fd': 0.5, 'untrained_fd': 9.0}


def test_scores_by_another_network_are_not_compared(scored):
  said = []
  found = keeper(scored, said)
  found.go_on(4, None, 0)
  one, other = {'classifier': {'digest': 'a'}}, {'classifier': {'digest': 'b'}}
  found._keep_features(one)
  found._keep_features(one)
  assert (said, found.ranks) == ([], {2: 3.0, 4: 1.0})
  found._keep_features(other)
  assert len(said) == 1
  assert 'classifier: not the network of the scores before' in said[0]
  assert found.ranks == {}
  assert record.read_circumstances(str(scored))['features'] == other
