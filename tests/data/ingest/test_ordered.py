import os
import threading
from concurrent.futures import ThreadPoolExecutor

from gan_jax.data.ingest import ordered


def test_results_come_in_order_and_few_are_there_before_they_are_taken():
  begun = []

  def do(x):
    begun.append(x)
    return x * x, threading.get_ident()

  with ThreadPoolExecutor(2) as pool:
    for place, (x, (square, _)) in enumerate(ordered.each(pool, do, range(1000))):
      assert (x, square) == (place, place * place)
      assert max(begun) <= place + 2 * os.cpu_count() + 1
  assert sorted(begun) == list(range(1000))
