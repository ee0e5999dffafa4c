"""The fast engine, on arrays: the same rules, where their order is known or found by compiled loops."""
