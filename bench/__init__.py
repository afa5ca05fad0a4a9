"""Benchmarks: what a promise costs, and whether it is kept while the service is busy."""
