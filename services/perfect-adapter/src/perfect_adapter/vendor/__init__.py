"""The vendor's published API: calls, bodies, features, errors and answers. It knows no table."""
