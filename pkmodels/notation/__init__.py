"""A model read back: as text, LaTeX, a graph and a supplement."""
