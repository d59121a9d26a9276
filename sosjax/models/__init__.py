"""Pretrained networks and their weights."""
