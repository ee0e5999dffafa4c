"""The engines: the only room where SimPy lives."""
