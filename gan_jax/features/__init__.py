"""Frozen networks from images to features, one a file: `load(Request) -> FeatureNetwork`.

`RESIZES`: whether it brings images to a size of its own, and so has a `legacy` way to do so.
`TAKES_WEIGHTS`: whether the user has to name the file of its weights.
`check(Request)`, where there is one, raises UserError for images that `load` would refuse, at once.
"""
