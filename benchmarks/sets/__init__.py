"""What a Set of Sets is worth: against baselines, before and after the same recovery."""
