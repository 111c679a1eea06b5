"""Benchmarks: what is measured, on which workloads, beside which peers."""
