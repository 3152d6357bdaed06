"""What scoring is made of: what is scored, the scores, and how they are shown."""
