"""Map sheets on A4 for paper: what stands on a page, how it is drawn, and the atlas of all pages."""
