"""The fair queue: which render is submitted next, with which key, and how long others may have to wait."""
