"""Measured figures, what is predicted for them from what was known beforehand, and by how much that is wrong."""
