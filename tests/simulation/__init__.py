"""The tests of simulation: runs, ticks, faults, checkpoints."""
