"""The service beside LitServe, MLServer, BentoML and FastAPI, which compute the same with PyTorch."""
