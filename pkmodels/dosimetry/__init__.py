"""From time-integrated activity to dose, BED and what is uncertain of them."""
