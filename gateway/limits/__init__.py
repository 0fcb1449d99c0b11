"""The limit that all callers of a GSP account share: in Redis for all processes, in memory for a test."""
