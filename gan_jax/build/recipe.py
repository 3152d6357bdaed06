"""Makes the parts of a training step out of a config, and refuses what does not go together."""

import dataclasses
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from gan_jax import registry
from gan_jax.build import sections
from gan_jax.build.players import Networks, frozen_names, judge_name
from gan_jax.build.regularisers import regularisers
from gan_jax.build.schedules import schedule
from gan_jax.errors import UserError, nearest
from gan_jax.runtime import parallel
from gan_jax.training.about import Run
from gan_jax.training.augment import controller
from gan_jax.training.augmentation import Augmentation
from gan_jax.training.generator import AVERAGES
from gan_jax.training.recipe import Recipe
from gan_jax.training.transfer import paths

# Collections that a pass moves by its weights alone, or not at all.
_OF_WEIGHTS = 'params', 'spectral', 'fixed'


def recipe(
  config: ConfigDict,
  parts: Networks,
  fake_labels: tuple[float, ...] | None = None,
  devices: int | None = None,
) -> Recipe:
  """The recipe of a run's step.

  Args:
    config: of the run.
    parts: its networks and optimisers.
    fake_labels: probabilities of classes, as `build.fake_labels` finds them.
    devices: that the batch is divided over; None: those that there are.

  Raises:
    UserError: for parts that do not go together; names them and says why.
  """
  made = Recipe(
    *parts,
    loss=loss(config),
    batch_size=config.train.batch_size,
    regularisers=regularisers(config),
    augmentation=augmentation(config),
    share_batch=config.train.share_batch,
    d_steps=config.train.d_steps,
    accumulate=config.train.accumulate,
    flip=config.dataset.flip,
    fake_labels=fake_labels,
    ema_half_life=schedule(config, config.ema, 'half_life_images'),
    ema_ramp=config.ema.ramp,
    ema_precision=config.ema.get('precision') or 'float32',
    axis_name=parallel.AXIS,
  )
  _check_together(config, made, jax.device_count() if devices is None else devices)
  return made


def loss(config: ConfigDict) -> ModuleType:
  """The module of the loss."""
  return registry.find('training.losses', config.loss.name, 'loss.name')


def augmentation(config: ConfigDict) -> Augmentation:
  """What is done to images before the discriminator looks."""
  section = config.augment
  operations = []
  for part in sections.names(section.names, 'augment.names'):
    module = registry.find(sections.AUGMENTATIONS, part, 'augment.names')
    accepted = ConfigDict(dataclasses.asdict(module.Settings()))
    settings, _ = sections.settings_of(config, part, module, accepted)
    operations.append((module, settings))
  if not 0 <= section.strength <= 1 or not 0 <= (section.strength_final or 0) <= 1:
    raise UserError(f'config.augment.strength={section.strength}: accepted: 0 to 1')
  adaptive = None
  if section.adaptive:
    adaptive = controller.Settings(
      **{field.name: section[field.name] for field in dataclasses.fields(controller.Settings)}
    )
  strength = None if adaptive else schedule(config, section, 'strength')
  found = Augmentation(tuple(operations), section.pseudo, strength, adaptive)
  if adaptive and not found.active:
    raise UserError(
      'config.augment.adaptive=True: there is nothing to adapt; accepted with augment.names or '
      'augment.pseudo=True'
    )
  return found if found.active else Augmentation()


def _check_together(config: ConfigDict, made: Recipe, devices: int) -> None:
  """Raises UserError for parts that do not go together."""
  latents = jnp.zeros((1, made.generator.latent_size))
  images, _ = _init(made.generator, latents, train=True)
  _check_form(config, made, images)
  variables, outputs = _of_discriminator(made, images)
  about = Run(
    part='',
    loss=config.loss.name,
    pairs=getattr(made.loss, 'PAIRS', False),
    batch_norm='batch_stats' in variables,
    spectral='spectral' in variables,
    outputs=outputs,
    pseudo=made.augmentation.pseudo,
    share_batch=made.share_batch,
    accumulate=made.accumulate,
    num_classes=made.discriminator.num_classes,
  )
  for regulariser in made.regularisers:
    named = about._replace(part=f'regularisers={regulariser.name!r}')
    if hasattr(regulariser.module, 'check'):
      regulariser.module.check(named, regulariser.settings)
    if made.accumulate > 1 and getattr(regulariser.module, 'WHOLE_BATCH', False):
      named.refuse('it looks at averages over the whole batch; accepted with train.accumulate=1')
  for module, settings in made.augmentation.operations:
    if hasattr(module, 'check'):
      module.check(settings, made.generator.channels)
  _check_frozen(config, made, variables)
  _check_loss(config, made, about._replace(part=f'loss.name={config.loss.name!r}'))
  if 'class_logits' in outputs and not any(r.has('TRAINS_CLASSIFIER') for r in made.regularisers):
    about._replace(part='model.conditional=True').refuse(
      'the discriminator has a classifier that nothing trains; accepted with auxiliary_classifier '
      'among the regularisers'
    )
  if made.accumulate > 1:
    named = about._replace(part=f'train.accumulate={made.accumulate}')
    _check_accumulation(made, named, devices, variables)


def _check_frozen(config: ConfigDict, made: Recipe, discriminator: Any) -> None:
  """Refuses a name of `init.freeze` that no weight begins with."""
  names = frozen_names(config)
  if not names:
    return
  latents = jnp.zeros((1, made.generator.latent_size))
  variables = {'generator': _init(made.generator, latents)[1], 'discriminator': discriminator}
  known = [f'{name}/{path}' for name, v in variables.items() for path in paths(v['params'])]
  for name in names:
    if not any(path.startswith(name) for path in known):
      stems = {path.rsplit('/', 1)[0] for path in known}
      raise UserError(f'config.init.freeze={name!r}: no weight begins so; {nearest(name, stems)}')


def _check_loss(config: ConfigDict, made: Recipe, about: Run) -> None:
  """Refuses what does not go with the loss."""
  if about.pairs and about.pseudo:
    about.refuse(
      'it pairs each real with the fake of its place, which augment.pseudo=True may put in the '
      "real's own place; accepted: another loss, or augment.pseudo=False"
    )
  if about.pairs and about.num_classes and made.fake_labels is not None:
    about.refuse(
      f'it compares the real and the fake of one place, and labels.fakes={config.labels.fakes!r} '
      "gives them different classes; accepted: labels.fakes='reals'"
    )
  if made.accumulate > 1 and getattr(made.loss, 'WHOLE_BATCH', False):
    about.refuse('it looks at averages over the whole batch; accepted with train.accumulate=1')


def _check_accumulation(made: Recipe, about: Run, devices: int, discriminator: Any) -> None:
  """Refuses parts of a batch that would not add up to it."""
  share = made.batch_size // devices
  if share % made.accumulate:
    about.refuse(
      f'{made.batch_size} images on {devices} devices are {share} on each; accepted: a '
      'divisor of that'
    )
  generator = _init(made.generator, jnp.zeros((1, made.generator.latent_size)))[1]
  if about.batch_norm or 'batch_stats' in generator:
    about.refuse(
      'batch normalisation takes its statistics from the whole batch, of which parts know nothing; '
      'accepted: 1, or a model without batch normalisation'
    )
  # The means of w are moved by the whole batch in any case.
  known = {*_OF_WEIGHTS, *([AVERAGES] if hasattr(made.generator, 'mapping') else [])}
  unknown = (set(generator) - known) | (set(discriminator) - set(_OF_WEIGHTS))
  if unknown:
    about.refuse(
      f'the networks keep {", ".join(sorted(unknown))}, which may follow the whole batch, of which '
      'parts know nothing; accepted: 1'
    )
  _check_groups(made, about, share)


def _check_groups(made: Recipe, about: Run, share: int) -> None:
  """Refuses parts that cut groups of images which the step looks at together."""
  part = share // made.accumulate
  counts = [1, *(getattr(r.settings, 'one_in', 1) for r in made.regularisers)]
  group = getattr(made.discriminator, 'deviation_group', 0)
  for count in counts:
    if part % count:
      about.refuse(
        f'of {count} images one is penalised, and parts are of {part}; accepted: parts of a '
        f'multiple of {count}'
      )
    if group and math.gcd(share // count, group) != math.gcd(part // count, group):
      about.refuse(
        f'the discriminator compares images in groups of {math.gcd(share // count, group)}, which '
        f'parts of {part} cut; accepted: parts of whole groups, or deviation_group=0'
      )


def _check_form(config: ConfigDict, made: Recipe, images: Any) -> None:
  """Refuses a generator whose images, of a training pass, are not in the form that is judged."""
  shape = (1, *made.generator.resolution, made.generator.channels)
  present = getattr(made.discriminator, 'present', lambda images: images)
  judged = jax.eval_shape(present, jnp.zeros(shape))
  made_as, judged_as = (jax.tree.map(lambda x: x.shape, each) for each in (images, judged))
  if made_as != judged_as:
    say = lambda tree: ' and '.join(
      'x'.join(map(str, leaf.shape[1:])) for leaf in jax.tree.leaves(tree)
    )
    raise UserError(
      f'config.model.discriminator={judge_name(config)!r}: judges images of {say(judged)}, and '
      f'{config.model.name} makes {say(images)}; accepted: its own discriminator, or a setting of '
      'its section by which it makes one image'
    )


def _of_discriminator(made: Recipe, images: Any) -> tuple[Any, tuple[str, ...]]:
  """Shapes of the discriminator's variables, and the names of its outputs beside the logits."""
  result, variables = _init(made.discriminator, images)
  return variables, tuple(set(result) - {'logits'}) if isinstance(result, dict) else ()


def _init(module: Any, x: Any, train: bool = False) -> tuple[Any, Any]:
  """Shapes of a network's result and of its variables."""
  labels = jnp.zeros((1,), jnp.int32)
  initialise: Callable[..., Any] = lambda x: module.init_with_output(
    jax.random.key(0), x, labels, train=train
  )
  return jax.eval_shape(initialise, x)
