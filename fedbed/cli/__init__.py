"""The command line. `main` and `agent` keep to Python 3.8 and the standard library."""
