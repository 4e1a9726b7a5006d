"""What every Closet process needs and no business: settings, telemetry, lifecycle, HTTP, problems, tokens, database."""
