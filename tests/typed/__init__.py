"""Read by the type checkers, and never executed: what users write must be understood as they mean it."""
