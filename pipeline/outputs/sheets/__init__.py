"""Map sheets on A4: one page for each zone and two of the city, as PDF and PNG, and an atlas of all pages."""
