"""Whether an image lies outside what a generator knows: its distance among those of references.

Conformal p-values (Vovk, Gammerman and Shafer 2005; Bates et al. 2023, arXiv:2104.08279): where an
image and n references are exchangeable, the share of those at least as far as it, counting itself,
is at most p with a probability of at most p. The references are projected in the same way.
"""

import numpy as np

FAR = 0.05
"""The p-value up to which an image is told as outside."""


def p_values(distances: np.ndarray, references: np.ndarray) -> np.ndarray:
  """The conformal p-value of each distance, `[N]`: (1 + references at least as far) / (n + 1).

  Args:
    distances: of projected images, `[N]`.
    references: of projected references, `[n]`.
  """
  order = np.sort(references)
  at_least = len(order) - np.searchsorted(order, distances, side='left')
  return (1 + at_least) / (len(order) + 1)
