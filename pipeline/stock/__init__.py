"""What turns the index of a zone into biomass and carbon: its model, and its sketches, from which totals are
computed."""
