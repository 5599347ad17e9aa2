"""What every renderer shares: numbers and words, and which layers are shown."""
