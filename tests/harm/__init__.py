"""What those send who mean harm, as tables, to a real service."""
