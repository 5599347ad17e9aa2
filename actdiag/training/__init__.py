"""Short training runs of a stack: what a diagnosis at initialization promises, put to the test."""
