"""Architectures, one a file: Flax modules `Generator` and `Discriminator`.

`Generator(...)(latents, labels, train)` maps `[B, z]` and `[B]` to images `[B, H, W, C]`;
`Discriminator(...)(images, labels, train)` judges these. Both are made with `resolution` (always a
pair, height and width), `channels`, `num_classes` (0: unconditional, labels are ignored) and
`axis_name` (devices over which batch statistics are averaged, or None); the generator with
`latent_size` too. All other fields have a default and are keys of the config, in the section of the
module's name.

A generator with a mapping network offers its two parts as methods too, called by
`apply(..., method='mapping')`: `mapping(latents, labels, train)` -> w, a tree with a row an image
in every leaf, and `synthesis(w, labels, train)` -> images.

A discriminator returns logits, `[B]` or `[B, n]` where it has n heads, or a dict of `logits` and
further outputs by name, whose rows are the images as well:

- `class_logits`, `[B, num_classes]`: of an auxiliary classifier (AC-GAN, Odena et al. 2017,
  arXiv:1610.09585). The logits beside them do not see the label.

What training passes update is in mutable collections: `batch_stats`, the moving averages of batch
normalisation, and `spectral`, the vectors of spectral normalisation.

A discriminator's `for_parts(n)` is the same network for a batch of n parts, one after the other in
its rows, none of which has a part in another's logits: reals and fakes can be judged in one call.
Where each logit is piecewise linear in its own image and depends on no other, a property
`piecewise_linear` says so: gradient penalties then cost less (`gradient_norms.zero_centred`).
"""
