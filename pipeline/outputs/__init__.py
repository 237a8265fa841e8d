"""One file per deliverable."""
