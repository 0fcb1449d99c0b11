"""The adapter for Invoice Registration Portals: what is said to them, and what their answers mean."""
