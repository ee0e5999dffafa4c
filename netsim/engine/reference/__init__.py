"""The reference engine, in SimPy: every rule of the model, one event at a time."""
