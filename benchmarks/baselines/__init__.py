"""What the stream is measured against: the same work by a consumer written by hand, and by Bytewax."""
