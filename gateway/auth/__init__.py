"""Secrets and tokens: sealing, client secrets, access tokens."""
