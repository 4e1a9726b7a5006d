"""What is done by time and not by an event: giving back, dealing with Stripe, reconciling."""
