"""Objects in S3 within a tenant: keys, signed URLs, streaming, and safe handling of pictures."""
