"""Scores, one a file: `compute(real, fake) -> {name: Estimate}` over two `Features`.

A module says what it gives and what it takes:

- `SCORES`: each score's name, and whether higher is better; checkpoints are ordered by that. None:
  the score has no better end, orders nothing, and is to be read beside its floor. What `compute`
  returns beyond these are details of one of them, `<score>/<class number>`.
- `NEEDS`: what it takes beyond pooled features. `labels`: both sets' classes; `real_labels`: those
  of the real images alone; `logits`: those of any classifier; `class_logits`: those over the
  dataset's own classes; `held_out`: a third argument `held_out`, the features of real images kept
  from training. `images` and `pairs` are given in place of features; see the modules that ask.
- `compute` raises UserError where the sets cannot give the score: one line that says which number
  of which images was found and what is needed.
"""
