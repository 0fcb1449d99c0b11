"""Doorbells: RQ jobs that say "this lane has work", and messages that say "this operation is settled"."""
