"""Use cases: the only code that orders effects. Each function reads as a column of calls on ports."""
