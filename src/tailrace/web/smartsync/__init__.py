"""The SmartSync Export APIs."""
