"""The page at `/`: plain HTML, CSS and JavaScript, served as files."""
