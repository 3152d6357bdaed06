"""Frozen networks from images to features, one a file: `load(train, holdout) -> FeatureNetwork`."""
