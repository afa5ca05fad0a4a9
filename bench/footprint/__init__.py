"""The service beside a minimal one in PyTorch: how large it is, how soon it predicts, how much memory it holds."""
