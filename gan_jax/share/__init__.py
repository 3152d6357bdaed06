"""A trained generator handed on: a folder of weights, program and card; networks of other code."""
