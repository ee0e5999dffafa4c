"""Does it still learn? A small, real optimisation on the simulated clock."""
