"""The server, its clients, and what runs inside Triton."""
