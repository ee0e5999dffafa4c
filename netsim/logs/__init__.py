"""Logs of network measurements: one file a format, which says what of a text it can read."""
