"""The probability that a stack trains: its physical numbers, and the fit to labelled stacks."""
