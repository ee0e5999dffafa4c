"""Search in place of grids: where two strategies are equally fast, and which settings are best."""
