"""One user out of everything that is stored, for good: a tombstone keeps what comes later out, too."""
