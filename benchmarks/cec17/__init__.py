"""CEC2017 multi-objective multitasking: sosjax's strategies beside those of other libraries."""
