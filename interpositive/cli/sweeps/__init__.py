"""Sweeps: what is varied, what is proposed next, how a trial is trained, and what came of all."""
