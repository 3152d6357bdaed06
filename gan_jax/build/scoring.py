"""Says what a config asks to be scored."""

from ml_collections import ConfigDict

from gan_jax.build import players, sections
from gan_jax.errors import UserError
from gan_jax.evaluation.evaluator import Asked
from gan_jax.evaluation.options import Options, every_metric, strict


def check_features(config: ConfigDict, features: tuple[str, ...], allowed: bool = False) -> None:
  """Raises UserError for features that the run is trained on, unless that is allowed.

  They would flatter it: what it learnt is to be alike in just these.

  Args:
    config: of the run, which may allow it.
    features: that are asked for.
    allowed: whoever asks allows it.
  """
  if allowed or config.get('evaluate', {}).get('allow_trained_features', False):
    return
  for name in players.teachers(config):
    if name in features:
      other = 'efficientnet_lite0' if name == 'efficientnet_lite2' else 'efficientnet_lite2'
      raise UserError(
        f'{name}: {players.judge_name(config)} trains on these features, so scores by them are no '
        f'judgement; accepted: other features, such as {other}, or '
        'evaluate.allow_trained_features (--allow_trained_features), which marks them in their name'
      )


def features_of(config: ConfigDict) -> tuple[str, ...]:
  """The feature networks that a config names."""
  return sections.names(config.evaluate.features, 'evaluate.features')


def metrics_of(config: ConfigDict) -> tuple[str, ...]:
  """The metrics that a config names."""
  return sections.names(config.evaluate.metrics, 'evaluate.metrics')


def asked_of(config: ConfigDict, options: Options = Options()) -> Asked:  # noqa: B008 - never changed
  """What a config asks to be scored, but for what the options say otherwise."""
  section = config.evaluate
  features = options.features or features_of(config)
  check_features(config, features, options.allow_trained_features)
  weights = {name: path for name, path in section.get('weights', {}).items() if path}
  return Asked(
    metrics=every_metric(options.metrics) or metrics_of(config),
    features=features,
    num_samples=options.num_samples or section.num_samples,
    num_reals=options.num_reals or section.num_reals,
    batch_size=section.batch_size,
    seed=config.seed,
    resize=options.resize or section.get('resize', 'antialias'),
    weights={**weights, **options.weights},
    conditional=config.model.conditional,
    halves=config.checkpoint.best_score if section.get('halves', False) else '',
    teachers=players.teachers(config),
    strict=strict(options.metrics),
    tenths=options.tenths,
  )


def judged(config: ConfigDict, asked: Asked, options: Options) -> Asked:
  """What is asked of images, asked of a generator's: not by features that it was trained on.

  Args:
    config: of the generator; of one that is no run of ours the keys of its networks are enough.
    asked: of images.
    options: whether such features are allowed, and marked in the names of scores.

  Raises:
    UserError: for such features.
  """
  check_features(config, asked.features, options.allow_trained_features)
  return asked._replace(teachers=players.teachers(config), generated=True)
