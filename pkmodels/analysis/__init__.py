"""What the symbols of a model tell before any number."""
