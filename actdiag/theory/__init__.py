"""Mean-field theory of a stack: fixed points, predictions with their spread, one step from what was measured."""
