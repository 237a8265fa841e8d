"""Stage 3: the pixels of a zone, mapped, coloured and joined into management patches."""
