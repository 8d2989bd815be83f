"""Messages to people: which events of a model are worth one, who gets it, and that each is told once."""
