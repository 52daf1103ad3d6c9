"""What replicas share: small values that expire, in Redis where it is configured, else in memory."""
