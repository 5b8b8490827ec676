"""Burnish makes a PyTorch model that works fast, small and cheap to serve, and proves it."""
