"""The verbs: assembles objects from configuration, computes nothing."""
