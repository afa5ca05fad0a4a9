"""convserve_service: the models of convserve_model behind the protocol of convserve_wire, in Flask under gunicorn."""
