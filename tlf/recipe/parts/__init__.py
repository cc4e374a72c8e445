"""Tables of a recipe. ``tlf.recipe.schema`` puts them together."""
