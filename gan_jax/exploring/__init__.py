"""A local page to explore trained generators: what it asks for, what draws it, who may ask."""
