import threading

import pytest

from gan_jax.data.ingest import files
from gan_jax.data.ingest.files import File
from gan_jax.data.ingest.picture import RefusedError

LARGE = [[int(0.4 * 2**30)] * 8, [2**29, 2**29, 10, 10, 2**30], [2**31, 2**31, 5]]


@pytest.mark.parametrize('sizes', LARGE)
def test_files_that_are_large_together_are_read_one_after_the_other(sizes):
  lock, held, most = threading.Lock(), 0, 0
  gate = threading.Semaphore(0)

  def work(file):
    nonlocal held, most
    with files.contents(file):
      with lock:
        held += file.size
        most = max(most, held)
      gate.acquire()
      with lock:
        held -= file.size

  threads = [
    threading.Thread(target=work, args=(File(str(i), lambda: b'', size=size),))
    for i, size in enumerate(sizes)
  ]
  for thread in threads:
    thread.start()
  for _ in threads:
    gate.release()
  for thread in threads:
    thread.join(60)
  assert most <= max(2**30, *sizes)
  assert held == 0


@pytest.mark.parametrize('error', [OSError('disk'), RuntimeError('zip'), EOFError(), ValueError()])
def test_whatever_a_reader_raises_is_a_refusal_and_frees_the_room(error):
  def broken():
    raise error

  for _ in range(3):
    with (
      pytest.raises(RefusedError, match='cannot be read: '),
      files.contents(File('x', broken, size=2**30)),
    ):
      pass


def test_a_source_within_a_folder_keeps_its_parts_together():
  source = files.Source(
    [File('a#1', bytes, part_of='a'), File('b', bytes)], [('c', 'why')], {'d': bytes}
  )
  inner = source.within('f')
  assert [(file.name, file.part_of) for file in inner.files] == [('f/a#1', 'f/a'), ('f/b', '')]
  assert (inner.refused, list(inner.beside)) == ([('f/c', 'why')], ['f/d'])
