"""The parts of samples.py: a long tail, wrong labels, a curriculum, a shift."""
