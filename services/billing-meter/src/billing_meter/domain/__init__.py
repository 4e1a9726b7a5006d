"""The rules about money. Pure."""
