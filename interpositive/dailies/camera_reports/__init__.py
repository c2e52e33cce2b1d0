"""Camera reports: one file for each maker's way of writing down lens, focus and exposure."""
