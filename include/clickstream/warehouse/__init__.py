"""The warehouse: PostgreSQL's roles, schema and models."""
