"""Signs upload and download URLs, and checks what was uploaded."""
