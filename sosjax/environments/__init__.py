"""Where a sub-network must run."""
