"""The scores that metrics and features give, by name, before any is computed."""

from collections.abc import Sequence

from gan_jax import registry
from gan_jax.features.network import marked, score_name


def ordering(
  metrics: Sequence[str], features: Sequence[str], resize: str, teachers: tuple[str, ...] = ()
) -> dict[str, bool]:
  """Keys of the scores that order checkpoints, `<metric>_<features>`, and whether higher is better.

  Args:
    metrics: modules of gan_jax/metrics.
    features: modules of gan_jax/features.
    resize: `legacy` is part of the name of features that resize.
    teachers: features that the run was trained on, of which the name tells as well.

  Raises:
    UserError: for an unknown module.
  """
  networks = []
  for name in features:
    module = registry.find('features', name, 'evaluate.features')
    scored = score_name(name, resize) if module.RESIZES else name
    networks.append(marked(scored, name, teachers))
  keys: dict[str, bool] = {}
  for name in metrics:
    module = registry.find('metrics', name, 'evaluate.metrics')
    suffixes = [''] if 'images' in module.NEEDS else [f'_{network}' for network in networks]
    for score, higher in module.SCORES.items():
      if higher is not None:
        keys |= {f'{score}{suffix}': higher for suffix in suffixes}
  return keys
