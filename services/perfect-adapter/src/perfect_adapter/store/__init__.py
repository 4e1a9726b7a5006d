"""The SQL. Every function takes the connection of the transaction it is part of."""
