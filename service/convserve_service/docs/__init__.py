"""The page that shows the OpenAPI document, and what it is made of."""
