"""`python -m pocketlm`."""

from pocketlm.cli.main import main

main()
