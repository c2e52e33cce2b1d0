"""Ingest, catalogue, splits and windows of one production's dailies."""
