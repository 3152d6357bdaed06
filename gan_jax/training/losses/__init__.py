"""Adversarial losses, one a file: `d_loss` and `g_loss` take `(real_logits, fake_logits)`.

Logits are `[B]`, or `[B, n]` of several heads; a loss has a value for each. A module that needs an
average over the whole batch says `WHOLE_BATCH = True` and takes it as the keyword `mean`, which
averages over the first axis, and over all devices where there are several. A module that compares
the real and the fake of one place says `PAIRS = True`.
"""
