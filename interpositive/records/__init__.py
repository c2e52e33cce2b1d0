"""Paperwork without torch: timecode, slates, digests, manifests, published folders."""
