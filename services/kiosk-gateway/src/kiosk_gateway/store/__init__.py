"""The gateway's tables: functions that take a connection, one module per use."""
