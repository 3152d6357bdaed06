"""Every key that a run has, with its unit and meaning; the other configs override it.

Lengths and intervals count real images shown to the discriminator, so they stay as they are when
the batch size changes. A key `x_final` with a value makes `x` go from `x` to `x_final` along half a
cosine over the first `anneal_images` images and stay there; None keeps `x` constant. A key
`x_warmup` makes `x` rise in a straight line from 0 over so many images. The sections of models,
regularisers and augmentations stand in their own files, with units and sources. What each key
accepts is in `gan_jax/build/keys.py`.
"""

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder

from gan_jax.build import sections


def get_config() -> ConfigDict:
  """Returns the default values; lock state and types are kept by whoever overrides them."""
  config = ConfigDict()
  config.seed = 0  # of initial weights, order of the data, latents and labels
  config.anneal_images = 0  # images over which every `x` reaches its `x_final`

  dataset = config.dataset = ConfigDict()
  dataset.name = 'digits'  # a module of gan_jax/data/datasets, or any TFDS name (`mnist`)
  dataset.split = 'train'  # what is trained on, a TFDS split expression (`train[:90%]`)
  dataset.holdout_split = 'test'  # real images kept from training, scored beside the generated ones
  dataset.data_dir = ''  # where TFDS keeps prepared data; '': its default, ~/tensorflow_datasets
  dataset.resolution = 32  # pixels; images are scaled, antialiased, and cropped to this square
  dataset.width = placeholder(int)  # pixels, where it is not a square: resolution is the height
  dataset.flip = False  # mirror left-right with probability 1/2; not for digits or letters
  dataset.balanced = False  # show every class as often as any other
  dataset.balanced_by = (
    ''  # with balanced: attributes, with commas, that count in place of the class
  )
  dataset.class_group = 1  # neighbours in a batch of one class, for a deviation_group of D
  # CLASS=COUNT: so many of a class are trained on, a choice that does not depend on the seed
  dataset.at_most = ()
  dataset.memory_budget_mb = 2048  # decoded images up to this many MiB are held in memory
  dataset.prefetch_batches = 4  # batches made ready ahead of the step

  model = config.model = ConfigDict()
  model.name = 'dcgan'  # a module of gan_jax/models; its own keys are in the section of its name
  model.discriminator = ''  # another module's, such as projected; '': that of model.name
  model.conditional = False  # give the class label to both players, by their `…_condition`
  model.latent_size = 100  # length of z ~ N(0, I)

  config.loss = ConfigDict()
  config.loss.name = 'nonsaturating'  # a module of gan_jax/training/losses

  labels = config.labels = ConfigDict()  # of a conditional model
  labels.fakes = 'reals'  # reals | data | uniform | weights: which classes fakes are of
  labels.weights = ()  # of each class, where labels.fakes is weights; need not add up to 1

  init = config.init = ConfigDict()  # start from another run's weights
  init.workdir = ''  # of that run, also written --config.init.from=; '': start from nothing
  init.step = placeholder(int)  # its checkpoint; None: the newest
  init.weights = 'ema'  # ema | live: which ones of its generator
  init.players = 'both'  # both | generator | discriminator
  init.least_share = 0.5  # of each network's values that have to fit
  init.grow = placeholder(
    bool
  )  # out of a lower resolution; None: where that run's images are other
  init.freeze = ()  # weights that stay: beginnings of paths, such as discriminator/conv0 (FreezeD)

  # modules of gan_jax/training/regularisers, or paths of files; each has the section of its name
  config.regularisers = ()

  augment = config.augment = ConfigDict()  # of all that the discriminator looks at
  augment.names = ()  # modules of gan_jax/training/augment; each has the section of its name
  augment.strength = 1.0  # probability of each operation, 0 to 1
  augment.strength_final = placeholder(float)
  augment.strength_warmup = 0.0
  augment.pseudo = False  # reals are fakes with the strength as probability (APA)
  augment.adaptive = False  # the controller sets the strength (ADA), by the keys that follow
  augment.target = 0.6  # mean sign of D at reals that it holds
  augment.ramp_images = 500_000.0  # real images over which it goes from 0 to 1 at most
  augment.interval = 4  # steps between two adjustments
  augment.initial = 0.0  # strength at first
  augment.maximum = 0.85  # strength that is never passed: above, augmentations leak into samples

  config.generator_optimizer = _adam()
  config.discriminator_optimizer = _adam()

  ema = config.ema = ConfigDict()
  ema.half_life_images = 10_000.0  # half-life of the generator's moving average
  ema.half_life_images_final = placeholder(float)
  ema.precision = placeholder(str)  # of its weights: bfloat16, half the bytes; None: float32
  ema.ramp = 0.05  # half-life is at most this share of the images shown so far; 0: no ramp

  train = config.train = ConfigDict()
  train.images = 1_000_000  # length of the run
  train.seconds = placeholder(float)  # of steps and input after which it ends, if that is sooner
  train.batch_size = 64  # images of one player's update, over all devices
  train.d_steps = 1  # updates of the discriminator a step, each on reals of its own
  train.accumulate = 1  # parts that a batch is cut into, one after the other, to save memory
  # 10⁹ bytes of a device for state, batch and step, kept by computing activations again and then by
  # parts of the batch, where these change no value; None, 0: any
  train.memory_gb = placeholder(float)
  train.share_batch = True  # both players see the same reals and latents; False: fresh for each
  train.log_images = 5_000  # between lines of metrics.jsonl
  train.diagnose = True  # at each of them: D on held-out images, spread of fakes; forward passes
  train.sample_images = 50_000  # between sample grids
  train.checkpoint_images = 50_000  # between checkpoints
  train.rollbacks = 0  # times that it goes back to a checkpoint where numbers are not finite

  checkpoint = config.checkpoint = ConfigDict()
  checkpoint.keep_last = 2  # newest checkpoints kept
  checkpoint.keep_best = 1  # checkpoints with the best `best_score` kept beside them
  checkpoint.best_score = 'fd_classifier'  # a score, <metric>_<features>

  evaluate = config.evaluate = ConfigDict()
  evaluate.images = 200_000  # between evaluations; the end is always evaluated; 0: never
  evaluate.num_samples = 1_000  # generated images scored
  evaluate.num_reals = 50_000  # training images they are compared with, the first in a seeded order
  # images through a network at once, over all devices; fewer where they are large
  evaluate.batch_size = 250
  evaluate.features = ('classifier',)  # modules of gan_jax/features
  evaluate.metrics = ('fd', 'kid', 'class_accuracy')  # modules of gan_jax/metrics
  evaluate.allow_trained_features = False  # score by what a discriminator stands on, marked so
  evaluate.halves = False  # also score `best_score` on both halves of the samples, for ablations
  evaluate.resize = 'antialias'  # antialias | legacy: how images get a feature network's size
  weights = evaluate.weights = ConfigDict()  # files of networks that come without weights
  weights.inception_v3 = ''  # pt_inception-2015-12-05-6726825d.pth, as pytorch-fid has it
  weights.dinov2_vits14 = ''  # model.safetensors of facebook/dinov2-small

  sample = config.sample = ConfigDict()
  sample.columns = 10  # of the sample grid; one row a class where the model is conditional
  sample.rows = 10  # where it is not; at most this many classes are shown where it is
  config.update(sections.all_sections())
  return config


def _adam() -> ConfigDict:
  adam = ConfigDict()
  adam.learning_rate = 2e-4
  adam.learning_rate_final = placeholder(float)
  adam.learning_rate_warmup = 0.0
  adam.beta1 = 0.5
  adam.beta2 = 0.999
  adam.beta2_final = placeholder(float)
  adam.epsilon = 1e-8
  adam.weight_decay = 0.0  # share of the weights taken off an update, times the rate (AdamW)
  adam.moments = placeholder(str)  # bfloat16: both averages in half the bytes; None: float32
  adam.clip_norm = placeholder(float)  # a longer gradient is scaled to this; None: never
  return adam
