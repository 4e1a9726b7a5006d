"""What each fact does to its job, and what is told of that."""
