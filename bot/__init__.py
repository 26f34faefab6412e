"""Chat front ends and the service behind all of them."""
