"""The Open Inference Protocol, version 2: what the bytes of requests and answers mean."""
