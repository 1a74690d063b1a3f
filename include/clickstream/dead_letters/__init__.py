"""Dead letters: what the stream refused, looked at, mended and sent back through the contract."""
