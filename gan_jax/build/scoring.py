"""Says what a config asks to be scored."""

from ml_collections import ConfigDict

from gan_jax.evaluation.evaluator import Asked
from gan_jax.evaluation.options import Options, every_metric, strict


def asked_of(config: ConfigDict, options: Options = Options()) -> Asked:  # noqa: B008 - never changed
  """What a config asks to be scored, but for what the options say otherwise."""
  section = config.evaluate
  weights = {name: path for name, path in section.get('weights', {}).items() if path}
  return Asked(
    metrics=every_metric(options.metrics) or tuple(section.metrics),
    features=options.features or tuple(section.features),
    num_samples=options.num_samples or section.num_samples,
    num_reals=options.num_reals or section.num_reals,
    batch_size=section.batch_size,
    seed=config.seed,
    resize=options.resize or section.get('resize', 'antialias'),
    weights={**weights, **options.weights},
    conditional=config.model.conditional,
    halves=config.checkpoint.best_score if section.get('halves', False) else '',
    strict=strict(options.metrics),
  )
