"""The library of models, one a file; each offers ``model()``."""
