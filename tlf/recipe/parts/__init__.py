"""Parts of a recipe: a table of its own, and what several of its keys say together."""
