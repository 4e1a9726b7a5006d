"""Ambiguous orders: their answer was lost, so the vendor's account is searched for their task."""
