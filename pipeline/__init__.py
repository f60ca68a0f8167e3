"""Certificates of origin in, a growth ranking that can be defended out."""
