"""Sub-networks judged per second, beside what one would write in PyTorch."""
