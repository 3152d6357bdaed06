"""Latents of a trained generator: images brought back into them, and directions to move along."""
