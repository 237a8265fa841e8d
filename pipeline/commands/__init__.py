"""The command line: what each command asks for and shows. Nothing is worked out here."""
