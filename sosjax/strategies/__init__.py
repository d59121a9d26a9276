"""Who proposes the next candidates."""
