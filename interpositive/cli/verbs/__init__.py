"""One module for each verb; each has one function, run."""
