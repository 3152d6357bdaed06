"""Defaults that papers and their code state; what was chosen here is in no table of them."""

import dataclasses

import pytest

from gan_jax import registry
from gan_jax.training.augment import ada, controller, diffaugment

PUBLISHED = {
  'approximate_r1': {'epsilon': 0.01},  # arXiv:2509.24935
  'approximate_r2': {'epsilon': 0.01},
  'balanced_consistency': {'weight': 10, 'fake_share': 1, 'shift': 1 / 8},  # arXiv:2002.04724
  'consistency_regularisation': {'weight': 10, 'shift': 1 / 8},  # arXiv:1910.12027
  'dragan': {'weight': 10, 'spread': 0.5, 'one_sided': False},  # arXiv:1705.07215
  'gradient_normalisation': {'decay': 0.9},  # arXiv:2511.22475
  'gradient_penalty': {'weight': 10, 'one_sided': False},  # arXiv:1704.00028
  'latent_consistency': {'weight': 5, 'generator_share': 0.5 / 5, 'radius': 0.03},
  'lecam': {'weight': 0.3, 'decay': 0.99},  # arXiv:2104.03310, of BigGAN
  'logit_centring': {'weight': 0.01},  # arXiv:2511.22475
  'mode_seeking': {'weight': 1},  # arXiv:1903.05628
  'orthogonal': {'weight': 1e-4},  # arXiv:1809.11096
  'path_length': {'weight': 2, 'decay': 0.01, 'share': 0.5},  # arXiv:1912.04958
}


@pytest.mark.parametrize(('name', 'published'), PUBLISHED.items())
def test_a_regulariser_begins_with_what_its_paper_says(name, published):
  settings = registry.find('training.regularisers', name, 'regularisers').Settings()
  assert {key: getattr(settings, key) for key in published} == pytest.approx(published)


def test_the_controller_begins_with_what_adas_code_says():
  # NVlabs/stylegan2-ada-pytorch: target 0.6, 500 kimg for the whole way, every 4 batches.
  settings = controller.Settings()
  assert (settings.target, settings.ramp_images, settings.interval) == (0.6, 500_000, 4)


# NVlabs/stylegan2-ada-pytorch: `bgc`, and what its `AugmentPipe` has where nothing is said.
OF_ADA = {
  **dict.fromkeys((*ada.GEOMETRY, *ada.COLOUR), 1),
  **dict.fromkeys(('imgfilter', 'noise', 'cutout'), 0),
  **{'xint_max': 1 / 8, 'scale_std': 0.2, 'rotate_max': 1, 'aniso_std': 0.2, 'xfrac_std': 1 / 8},
  **{'brightness_std': 0.2, 'contrast_std': 0.5, 'hue_max': 1, 'saturation_std': 1},
  **{'imgfilter_std': 1, 'noise_std': 0.1, 'cutout_size': 0.5},
}
# mit-han-lab/data-efficient-gans, as the factors and sums of its draws come to.
OF_DIFFAUGMENT = {
  **{'policy': 'color,translation,cutout', 'brightness': 0.5, 'saturation': 1, 'contrast': 0.5},
  **{'translation': 1 / 8, 'cutout': 0.5},
}


@pytest.mark.parametrize(('module', 'published'), [(ada, OF_ADA), (diffaugment, OF_DIFFAUGMENT)])
def test_an_augmentation_begins_with_what_its_code_says(module, published):
  assert dataclasses.asdict(module.Settings()) == published
