"""Pure rules: what facts do to a job, who may do what, and every way of saying no."""
