"""What is asked, and on which examples."""
