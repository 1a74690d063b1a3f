"""Recompute a UTC day from the archive by the stream's own functions, compare it with what is stored, swap it in."""
