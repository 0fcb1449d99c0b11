"""HTTP: translation only. What a call means is decided in `gateway.services`."""
