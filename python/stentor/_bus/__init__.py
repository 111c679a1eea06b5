"""Floor 4, the bus: lifetime and façade."""
