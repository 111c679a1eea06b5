"""Floor 2, mechanisms: decisions that are synchronous, take the time as an argument and never wait."""
