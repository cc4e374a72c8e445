"""Which learning rate suits each phase of a recipe: measured for heads, tried out for backbones."""
