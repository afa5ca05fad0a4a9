"""convserve_wire: the protocol between client and service: envelope, tensors, messages, paths. No sockets, no web."""
