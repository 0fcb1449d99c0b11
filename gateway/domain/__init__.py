"""What is true whatever the machine: pure values and functions, the standard library alone, no clock, no I/O."""
