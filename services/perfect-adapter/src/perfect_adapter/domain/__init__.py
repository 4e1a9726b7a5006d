"""The rules, pure: what the vendor's failures mean, what the quota leaves, when to try and look again."""
