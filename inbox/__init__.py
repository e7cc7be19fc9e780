"""Rapport: one inbox for every channel a customer writes on."""

__version__ = "0.1.0"
