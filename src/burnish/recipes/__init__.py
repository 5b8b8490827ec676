"""Shipped recipes, read by name."""
