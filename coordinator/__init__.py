"""The centre: REST API, fleet, runs, store, live page; one subprocess per run. Python >= 3.11."""
