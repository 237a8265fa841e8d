"""One file per product: which bands, scale and offset it declares itself, and which pixels are clear."""
