"""Map sheets on A4 for paper: the content of a page, how it is drawn, and the atlas of all pages."""
