"""What a recipe would do, told: what each phase trains, and the lines of text about it."""
