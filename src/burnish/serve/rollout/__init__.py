"""Which version of a model answers: labels, canary, shadow, and the gate that decides about a new one."""
