"""TFDS builders, one a file, each named by its module and holding a class `Builder`.

They hand encoded image bytes to the feature and write ArrayRecord, which needs no TensorFlow.
"""
