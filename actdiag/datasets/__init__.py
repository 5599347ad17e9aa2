"""Data: inputs that are drawn or given, and labelled data to train on, by name or from files."""
