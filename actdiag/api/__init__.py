"""The Python interface: a function for each command, in a module of its own; all of them take options by name."""
