"""The bridge, against real servers and through a path that can be broken."""
