"""Turns a user's own images into a dataset: sources, readers of each format, labels, splits."""
