"""Photo files, ratings and feature stores: what is measured of photographs, and kept."""
