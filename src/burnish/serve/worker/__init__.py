"""The process that runs a model: it maps shared memory, runs what lies there, and says so."""
