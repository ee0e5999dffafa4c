"""Layers: what a network is made of. One frozen dataclass a kind; its fields are its schema in scenario files."""
