"""The vendor's templates, listed once a day."""
