"""How long the engine takes and how much memory, beside what the same work costs elsewhere."""
