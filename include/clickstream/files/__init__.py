"""Files of contract events, read as the stream reads Kafka: no server, the same functions."""
