"""The engine: blocks of rows on threads, forward and backward through a stack, one layer in memory at a time."""
