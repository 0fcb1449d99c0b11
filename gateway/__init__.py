"""Mohar: a GSP e-invoicing compliance gateway for Indian GST."""

__version__ = "0.1.0"
