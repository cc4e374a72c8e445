"""From the tables of a recipe to validated dataclasses, with every mistake told."""
