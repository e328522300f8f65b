"""The sub-commands of `edge-asc`. Each imports what it needs when it runs."""
