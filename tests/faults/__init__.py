"""The fault matrix: real processes are killed on real servers, and after each fault the invariants are recomputed."""
