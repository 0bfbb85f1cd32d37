"""What is measured, on real processes; `python -m benchmarks` runs it all."""
