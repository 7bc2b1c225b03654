"""What a camera sees, scored: a page for browsers, and frames of cameras and videos."""
