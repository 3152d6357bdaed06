"""What is added to a player's objective beside its loss, one a file, found by name.

A module defines `Settings`, a frozen dataclass whose fields, `weight` first, become the config
section of its name, and at least one of

    discriminator(view, settings) -> [B] or a scalar   # a term of the discriminator's objective
    generator(view, settings) -> [B] or a scalar       # a term of the generator's
    image_gradient(gradient, state, settings, pmean) -> (gradient, state)
                                                       # what the generator gets from the images

`view` is `training.view.DiscriminatorView` or `GeneratorView`: what the step knows, computed once
for all who ask. The step takes the mean, times the weight; the mean before the weight is the metric
of the regulariser's name. Beside that a module may say

    NEEDS = ('real_gradient', 'fake_gradient')  # `squared_norms` out of the step's backward pass
    WHOLE_BATCH = True      # it looks at averages over the batch: no accumulation of parts
    initial_state(settings) -> tree   # a state of its own; each function then returns (term, state)
    TRAINS_CLASSIFIER = True  # it trains a discriminator's `class_logits`
    check(about, settings)  # raises UserError for what it cannot be combined with (`about.Run`)

Every regulariser has the keys `weight_final`, `weight_warmup` and `interval` beside its own: see
`configs/README.md`.
"""
