"""Ablations: many variants of a config over several seeds, run, compared and shown."""
