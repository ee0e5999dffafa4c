"""Collectives of the user's own: steps in files, which are data, and Python that is run when it is named as code."""
