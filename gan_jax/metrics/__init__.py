"""Scores, one a file: `compute(real, fake) -> {name: value}` over two `Features`."""
