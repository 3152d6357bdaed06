"""Architectures, one a file: Flax modules `Generator` and `Discriminator`.

`Generator(...)(latents, labels, train)` maps `[B, z]` and `[B]` to images `[B, H, W, C]`;
`Discriminator(...)(images, labels, train)` judges these. Both are made with `resolution` (always a
pair, height and width), `channels`, `num_classes` (0: unconditional, labels are ignored) and
`axis_name` (devices over which batch statistics are averaged, or None); the generator with
`latent_size` too. Outside of training a generator may be given a mix of classes for each image,
weights `[B, num_classes]` that add up to 1 (`layers.Embed` takes both). All other fields have a
default and are keys of the config, in the section of the module's name.

A generator with a mapping network offers its two parts as methods too, called by
`apply(..., method='mapping')`: `mapping(latents, labels, train)` -> w, a tree with a row an image
in every leaf, and `synthesis(w, labels, train)` -> images.

Where it keeps the mean of w it also offers `truncated(latents, labels, share)`, images of w at a
share `[B]` of its way from the mean, and `truncate(w, labels, share)`, that w. A generator with
noise has a field `fixed_noise`: the same for every image. Its images may be a tree in training
passes, such as several resolutions; then the discriminator's `present(images)` brings reals to that
form, and other passes give images alone.

A module may have a discriminator alone; `model.discriminator` puts it to any generator. One that
stands on features of a fixed network names these in a property `teachers`: scores by them are
refused, or marked.

A discriminator returns logits, `[B]` or `[B, n]` where it has n heads, or a dict of `logits` and
further outputs by name, whose rows are the images as well:

- `class_logits`, `[B, num_classes]`: of an auxiliary classifier (AC-GAN, Odena et al. 2017,
  arXiv:1610.09585). The logits beside them do not see the label.
- `reconstruction`, `[B]`: how far decoded features are from the image, of reals alone.

What training passes update is in mutable collections: `batch_stats`, the moving averages of batch
normalisation, `spectral`, the vectors of spectral normalisation, and `averages`. Weights that
nothing changes are in `fixed`.

A discriminator's `for_parts(n)` is the same network for a batch of n parts, one after the other in
its rows, none of which has a part in another's logits: reals and fakes can be judged in one call.
Where each logit is piecewise linear in its own image and depends on no other, a property
`piecewise_linear` says so: gradient penalties then cost less (`gradient_norms.zero_centred`).
"""
