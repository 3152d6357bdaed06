"""gan_jax: train, compare and judge image GANs in JAX."""
