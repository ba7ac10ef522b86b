"""Policy: what the operator and the API description say, loaded, checked and handed to the workers."""
