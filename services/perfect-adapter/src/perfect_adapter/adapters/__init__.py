"""The vendor's protocol, and nothing else."""
