"""What happens in a training step: the strategies that are no collectives, buckets, and what a worker computes when."""
