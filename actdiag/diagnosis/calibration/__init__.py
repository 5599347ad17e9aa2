"""The probability that a network trains: the physical numbers it follows from, and the fit to trained stacks."""
