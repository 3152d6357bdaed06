"""Architectures, one a file: Flax modules `Generator` and `Discriminator`.

`Generator(...)(latents, labels, train)` maps `[B, z]` and `[B]` to images `[B, H, W, C]`;
`Discriminator(...)(images, labels, train)` maps these to logits `[B]`. Both are made with
`resolution`, `channels`, `num_classes` (0: unconditional, labels are ignored) and `axis_name`
(devices over which batch statistics are averaged, or None); the generator with `latent_size` too.
A discriminator says by `examples_independent` whether an image's logit is the same whatever other
images are in the batch.
"""
