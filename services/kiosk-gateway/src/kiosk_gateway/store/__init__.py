"""The gateway's tables: functions over a connection, one module per concern."""
