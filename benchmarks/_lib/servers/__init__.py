"""Servers under test: ours and the peers, each started with its own settings in its own environment."""
