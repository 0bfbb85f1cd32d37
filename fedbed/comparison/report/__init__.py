"""The report of a comparison: one HTML page that needs nothing else. Pure: figures in, page out."""
