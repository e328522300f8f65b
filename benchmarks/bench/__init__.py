"""What `edge-asc bench` is made of: measures a device, compares and shows what was measured."""
