"""Jobs, the attempts at their items, and withdrawals of consent in the database: functions that take a transaction."""
