"""Frozen networks from images to features, one a file: `load(Request) -> FeatureNetwork`."""
