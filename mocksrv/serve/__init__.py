"""A server to try any client against."""
