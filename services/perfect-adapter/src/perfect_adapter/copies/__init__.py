"""Deletion of the vendor's copies, where a tenant's policy asks for it."""
