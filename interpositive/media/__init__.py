"""Files to frames and back: readers and writers behind one contract."""
