"""What is run: a stack as a recipe."""
