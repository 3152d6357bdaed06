"""Scores, one a file: `compute(real, fake) -> {name: value}` over two `Features`.

The first value bears the module's name; `HIGHER_IS_BETTER` says how checkpoints are ordered by it.
"""
