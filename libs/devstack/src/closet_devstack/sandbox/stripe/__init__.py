"""Stripe's sandbox: the endpoints that we call, with Stripe's shapes, and its habits at their worst."""
