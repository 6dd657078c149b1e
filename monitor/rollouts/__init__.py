"""A new version on its way to serve: approved, tried in stages, judged, advanced by people, stopped by anything."""
