"""PyTorch: clips -> checkpoint."""
