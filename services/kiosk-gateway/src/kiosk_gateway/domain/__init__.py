"""Pure rules: how facts change a job, who may do what, and the reasons for which requests are refused."""
