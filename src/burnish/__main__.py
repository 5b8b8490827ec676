"""`python -m burnish`: the command; what torchrun starts on every rank."""

from __future__ import annotations

from burnish.cli.main import main

if __name__ == "__main__":
    main()
