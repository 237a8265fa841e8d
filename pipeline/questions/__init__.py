"""Questions to a finished run: no scene is read again."""
