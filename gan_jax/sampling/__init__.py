"""Images out of a generator, and grids of images."""
