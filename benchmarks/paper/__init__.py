"""The four experiments of Choong et al. (2023, arXiv 2205.00671), each a run of one command."""
