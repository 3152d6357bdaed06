"""Searches values of a config by short runs under a stated budget."""
