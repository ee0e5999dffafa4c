"""Collectives: who sends what to whom, as rounds, without a clock. One file a kind."""
