"""Contact sheets, worst frames and the report page, read from a folder as a stranger would."""
