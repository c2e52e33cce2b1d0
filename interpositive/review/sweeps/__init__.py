"""What a sweep found, on a page, on one screen and as a W&B Report: the same numbers on all of them."""
