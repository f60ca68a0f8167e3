"""`python -m pipeline` is `ipska`."""

from pipeline.cli import main

main()
