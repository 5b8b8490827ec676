"""Export to a model repository of Triton Inference Server."""
