"""Serving: artifacts behind the Open Inference Protocol, with batches that answer in time."""
