"""`python -m edge_asc` is `edge-asc`."""

from edge_asc.cli import main

if __name__ == "__main__":
    main(prog_name="edge-asc")
